//! What the rules say of an inspected revision, in each environment, from what is stored. Nothing is written here.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    change, decide_sql,
    digests::Wish,
    knowledge::{self, Report, Sources},
    prose::{self, PROSE_RULE},
    report_sql, seen, sql,
    twins::{self, Twin},
};
use crate::{
    app::App,
    clock,
    domain::{
        basis,
        evidence::canonical,
        facts::{Facts, Field, Group},
        refusal::Fault,
        role::Environment,
        spelling::distance,
        standing::{Now, Ruled},
        terms,
        time::Micros,
    },
    gate::{
        EnvironmentSetting,
        act::DecideRevision,
        admission::{Asker, Kind as Effect, Matched, Outcome, Question},
        grant::Granted,
        resolve::{now_of, repo_of},
    },
    store::tables::{
        file, history, hub_state, knowledge as row, report, repository, revision, standing as standing_row,
    },
};

/// What one environment's rules said.
pub(super) struct Said {
    pub environment: Environment,
    /// The standing that it was said about: an approval that came meanwhile was not heard of.
    pub before: Option<standing_row::Model>,
    pub ruled: Ruled,
    pub until: Option<Micros>,
    pub headline: String,
    /// The rules that decided, or want an answer.
    pub rules: Vec<String>,
    pub hidden: BTreeMap<String, (String, String)>,
    /// The approved revision that it differs from in prose only, when that let it through.
    pub base: Option<standing_row::Model>,
}

/// Everything about one revision that a decision reads.
pub(super) struct Matter {
    pub repository: repository::Model,
    pub revision: revision::Model,
    pub files: Vec<file::Model>,
    pub histories: Vec<history::Model>,
    pub reports: Vec<Report>,
    pub twins: BTreeMap<String, Twin>,
    pub nearest_name: i64,
    pub tier: &'static str,
    /// How the repository stands at the hub, when it is not simply there.
    pub hub: Option<hub_state::Model>,
    /// Somebody else owns it now than when an earlier revision of it was approved.
    pub reused: bool,
    pub at: Micros,
}

pub(super) async fn gather(app: &App, may: &Granted<DecideRevision>, wish: &Wish) -> Result<Matter, Fault> {
    let db = may.reader();
    let gone = |what: &str| Fault::new(format!("deciding about a revision: its {what} is gone"));
    let revision = sql::find_revision_by_id(db, &wish.revision_id).await?.ok_or_else(|| gone("row"))?;
    let repository = sql::find_repository(db, &revision.repository_id).await?.ok_or_else(|| gone("repository"))?;
    let files = sql::list_all_files(db, &revision.id).await?;
    let sizes: BTreeMap<&str, i64> = files.iter().map(|row| (row.path.as_str(), row.size)).collect();
    let mut reports = Vec::new();
    for row in report_sql::list_reports(db, &revision.id).await? {
        let size = sizes.get(row.path.as_str()).copied().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
        reports.push(Report::read(row, size));
    }
    // Nothing is decided while a file has no report: the inspection writes one for each.
    if reports.len() < files.len() {
        return Err(gone("report on a file"));
    }
    let histories = sql::list_histories(db, &repository.id).await?;
    let served = decide_sql::list_served_names(db, clock::now(), repository.first_seen_at).await?;
    let nearest_name = nearest(&served, &repository.name);
    let reused = is_reused(may, &repository, &revision, app).await?;
    let twins = twins::twins(&reports);
    // By what the hub calls it now, whatever name it was asked for or is known under here.
    let tier = app.publishers.tier(repository.hub_name.split_once('/').map_or("", |(owner, _)| owner));
    let at = clock::now();
    let hub = change::sql::find_state(db, &repository.id).await?;
    Ok(Matter { repository, revision, files, histories, reports, twins, nearest_name, tier, hub, reused, at })
}

impl Matter {
    fn sources(&self) -> Sources<'_> {
        let on_a_branch = |walk: &history::Model| {
            walk.ref_kind != "pull" && walk.commits.split(' ').any(|commit| commit == self.revision.commit_id)
        };
        Sources {
            repository: &self.repository,
            revision: &self.revision,
            reports: &self.reports,
            pull_request_only: !self.histories.iter().any(on_a_branch),
            tier: self.tier,
            nearest_name: self.nearest_name,
            hub: self.hub.as_ref().map(|row| row.state.as_str()),
            reused: self.reused,
            at: self.at,
        }
    }

    pub fn knowledge(&self) -> Result<row::Model, Fault> {
        let facts = knowledge::of_revision(&self.sources(), &BTreeSet::new())?;
        let word = |field| match facts.value(field, self.at) {
            Some(crate::domain::facts::Value::Word(word)) => word,
            _ => "missing".to_owned(),
        };
        let all: Vec<report::Model> = self.reports.iter().map(|one| one.row.clone()).collect();
        let row = row::Model {
            revision_id: self.revision.id.clone(),
            scanner: rests_on(&all),
            verdict: word(Field::Verdict),
            coverage: word(Field::Coverage),
            facts: facts.to_json(),
            findings_digest: findings_digest(&all),
            seen_at: self.at.0,
        };
        Ok(row)
    }
}

pub(super) async fn rule(
    app: &App,
    may: &Granted<DecideRevision>,
    matter: &Matter,
    setting: &EnvironmentSetting,
) -> Result<Said, Fault> {
    let before = sql::look_at_standing(may.reader(), &matter.revision.id, &setting.name).await?;
    let now = now_of(before.as_ref(), matter.at);
    let by_person = before.as_ref().is_some_and(|row| row.decided_by == "person");
    let given: BTreeSet<&str> = match &before {
        Some(row) if now == Now::Approved && by_person => row.rules.split_whitespace().collect(),
        _ => BTreeSet::new(),
    };
    let (none, waived) = (BTreeSet::new(), BTreeSet::new());
    let hidden = hide(app, matter, setting, &none, &waived)?;
    let left = hidden.keys().cloned().collect();
    let mut facts = knowledge::of_revision(&matter.sources(), &left)?;
    let ancestors = ancestors(may, &matter.revision, &setting.name, matter.at).await?;
    facts.set(Field::AncestorsApproved, ancestors, "catalogue", matter.at)?;
    facts.set(Field::ApprovedBefore, matches!(now, Now::Approved | Now::Expired), "here", matter.at)?;
    if repo_of(matter.repository.clone()).is_ok_and(|repo| app.gate.maps_namespace(&repo.hub_name, &setting.name)) {
        facts.set(Field::PrivateMapped, true, "policy", matter.at)?;
    }
    let listed: Value = serde_json::from_str(&matter.revision.facts).unwrap_or_default();
    if let Some(terms) = terms::of(&listed) {
        let shown = sql::find_accepted_terms(may.reader(), &matter.repository.id, &setting.name).await?;
        facts.set(Field::TermsAccepted, shown.is_some_and(|shown| shown == terms.sha256), "here", matter.at)?;
    }
    let over = before.as_ref().and_then(|row| row.expires_at).is_some_and(|end| end <= matter.at.0);
    facts.set(Field::ApprovalExpired, over, "here", matter.at)?;
    let base = prose::base_of(app, may, matter, &setting.name).await?;
    facts.set(Field::OnlyProseChanged, base.is_some(), "here", matter.at)?;
    // An answer holds as long as its rule reads the values that whoever answered it saw.
    let open = app.gate.admission().decide(&question(setting, &facts, &none, &waived, matter.at));
    let stale: BTreeSet<&str> = open
        .answerable()
        .into_iter()
        .filter(|one| !given.contains(answer(one).as_str()))
        .map(|one| one.rule.as_str())
        .collect();
    let answered: BTreeSet<String> =
        open.answerable().into_iter().map(|one| one.rule.clone()).filter(|id| !stale.contains(id.as_str())).collect();
    let decision = app.gate.admission().decide(&question(setting, &facts, &answered, &waived, matter.at));
    // That an approval is over is not a reason for ever: it is what a person answers who approves it again.
    let denies = decision.rules(Effect::Deny);
    let only_over = denies.contains(&OVER) && denies.iter().all(|rule| [OVER, DEFAULT].contains(rule));
    let outcome = if only_over { Outcome::Review } else { decision.outcome };
    let what = match (outcome, decision.until) {
        (Outcome::Review, _) if only_over => Ruled::Review,
        (Outcome::Allow, _) => Ruled::Allow,
        (Outcome::Review, Some(_)) => Ruled::Wait,
        (Outcome::Review, None) => Ruled::Review,
        (Outcome::Deny, _) => Ruled::Deny,
    };
    // Of a review, what an approval answers and what that answer rests on; otherwise what decided.
    let rules: BTreeSet<String> = match outcome {
        Outcome::Allow => decision.rules(Effect::Allow).into_iter().map(str::to_owned).collect(),
        Outcome::Review => decision.answerable().into_iter().map(answer).collect(),
        Outcome::Deny => decision.rules(Effect::Deny).into_iter().map(str::to_owned).collect(),
    };
    let mut said = Said {
        environment: setting.name.clone(),
        before,
        ruled: what,
        until: decision.until,
        headline: decision.headline.clone(),
        // It rests on the other revision only when nothing else lets it through.
        base: base.filter(|_| outcome == Outcome::Allow && rules.iter().all(|rule| rule == PROSE_RULE)),
        rules: rules.into_iter().collect(),
        hidden,
    };
    if what == Ruled::Allow && now != Now::Approved && is_under_a_cloud(may, &matter.repository, &setting.name).await? {
        said.ruled = Ruled::Review;
        "An earlier revision of it was revoked here; a person approves the next one.".clone_into(&mut said.headline);
        (said.rules, said.base) = (Vec::new(), None);
    }
    Ok(said)
}

/// A rule that somebody can answer, with what an answer rests on.
fn answer(matched: &Matched) -> String {
    let digest = matched.digest().to_string();
    format!("{}:{}", matched.rule, digest.get(..16).unwrap_or(&digest))
}

/// Whether an earlier revision was approved under another owner than this one's: by the owners' ids, where the hub tells
/// them.
async fn is_reused(
    may: &Granted<DecideRevision>,
    repository: &repository::Model,
    revision: &revision::Model,
    app: &App,
) -> Result<bool, Fault> {
    let Some(owner) = owner_of(revision) else { return Ok(false) };
    for setting in app.gate.environments() {
        for row in decide_sql::list_standings(may.reader(), &repository.id, &setting.name, "approved").await? {
            let Some(other) = sql::find_revision_by_id(may.reader(), &row.revision_id).await? else { continue };
            let earlier = other.id != revision.id && other.listed_at <= revision.listed_at;
            if earlier && owner_of(&other).is_some_and(|other| other != owner) {
                return Ok(true);
            }
        }
    }
    Ok(false)
}

fn owner_of(revision: &revision::Model) -> Option<String> {
    let said: Value = serde_json::from_str(&revision.facts).unwrap_or_default();
    said["owner"]["id"].as_str().map(str::to_owned)
}

/// Whether a person has stopped something of this repository here, and none has approved anything of it since. Then rules
/// alone let nothing more of it through.
async fn is_under_a_cloud(
    may: &Granted<DecideRevision>,
    repository: &repository::Model,
    environment: &Environment,
) -> Result<bool, Fault> {
    let revoked = decide_sql::list_standings(may.reader(), &repository.id, environment, "revoked").await?;
    let Some(last) = revoked.first() else { return Ok(false) };
    let approved = decide_sql::list_standings(may.reader(), &repository.id, environment, "approved").await?;
    Ok(!approved.iter().any(|row| row.decided_by == "person" && row.changed_at > last.changed_at))
}

/// The files that are not served here because a safer one holds the same.
fn hide(
    app: &App,
    matter: &Matter,
    setting: &EnvironmentSetting,
    answered: &BTreeSet<String>,
    waived: &BTreeSet<String>,
) -> Result<BTreeMap<String, (String, String)>, Fault> {
    let none = Facts::of(Group::Revision);
    let mut hidden = BTreeMap::new();
    for one in &matter.reports {
        let Some(twin) = matter.twins.get(&one.row.path) else { continue };
        let mut facts = Facts::of(Group::File);
        facts.set(Field::FilePickle, true, "scan", matter.at)?;
        facts.set(Field::FileClean, one.is_clean(), "scan", matter.at)?;
        if let Some(word) = twin.fact() {
            facts.set(Field::FileTwin, word, "scan", matter.at)?;
        }
        let question = question(setting, &none, answered, waived, matter.at);
        let decision = app.gate.admission().decide_file(&question, &facts);
        if decision.hidden {
            let rule = decision.matched.first().map(|one| one.rule.clone()).unwrap_or_default();
            hidden.insert(one.row.path.clone(), (rule, decision.headline));
        }
    }
    Ok(hidden)
}

fn question<'a>(
    setting: &'a EnvironmentSetting,
    facts: &'a Facts,
    answered: &'a BTreeSet<String>,
    waived: &'a BTreeSet<String>,
    at: Micros,
) -> Question<'a> {
    Question {
        environment: &setting.name,
        production: setting.production,
        data_class: setting.data_class,
        stream: setting.stream_unverified,
        facts,
        asker: Asker::Everyone,
        answered,
        waived,
        at,
    }
}

/// Whether the models that this one is made from are approved here.
async fn ancestors(
    may: &Granted<DecideRevision>,
    revision: &revision::Model,
    environment: &Environment,
    at: Micros,
) -> Result<&'static str, Fault> {
    if knowledge::is_cut(revision) {
        return Ok("unknown");
    }
    let bases = knowledge::base_models(revision);
    let mut approved = 0;
    for base in &bases {
        if decide_sql::is_served_somehow(may.reader(), base, environment, at).await? {
            approved += 1;
        }
    }
    Ok(match approved {
        all if all == bases.len() => "all",
        0 => "none",
        _ => "some",
    })
}

/// Letters between a name and the nearest other one that is served here; 99 when none is near.
fn nearest(served: &[String], name: &str) -> i64 {
    let name = name.to_lowercase();
    let others = served.iter().map(|other| other.to_lowercase()).filter(|other| *other != name);
    let near = others.filter(|other| other.len().abs_diff(name.len()) <= 2).map(|other| distance(&other, &name)).min();
    near.filter(|distance| *distance <= 2).and_then(|distance| i64::try_from(distance).ok()).unwrap_or(99)
}

/// The scanner that a decision rests on: where reports of several lie side by side, the oldest of them.
pub(super) fn rests_on(reports: &[report::Model]) -> String {
    let mut oldest: Option<&str> = None;
    for one in reports {
        let older = oldest.is_none_or(|oldest| {
            basis::is_newer(oldest, &one.scanner)
                || (oldest == *seen::SCANNER && !basis::is_newer(&one.scanner, oldest))
        });
        if older {
            oldest = Some(&one.scanner);
        }
    }
    oldest.map_or_else(|| seen::SCANNER.clone(), |oldest| basis::plain(oldest).to_owned())
}

/// One hash over what the scanner said of every file.
pub(super) fn findings_digest(reports: &[report::Model]) -> String {
    let all: Vec<Value> = reports
        .iter()
        .map(|row| {
            let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
            json!([row.path, row.bytes_id, row.verdict, row.coverage, body["findings"]])
        })
        .collect();
    seen::hash(&canonical(&Value::Array(all)))
}

/// The rule that an approval is over, and the one that nothing allows it.
const OVER: &str = "W-022";
const DEFAULT: &str = "W-000";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_look_alike_are_near() {
        let served = ["google/gemma-2b".to_owned(), "acme/tiny".to_owned()];
        assert_eq!(nearest(&served, "g00gle/gemma-2b"), 2);
        assert_eq!(nearest(&served, "goog1e/gemma-2b"), 1);
        assert_eq!(nearest(&served, "google/gemma-2b"), 99);
        assert_eq!(nearest(&served, "acme/other"), 99);
    }
}
