//! Having the rules decide about an inspected revision, in every environment, and writing down what they said.
//!
//! One change: what is known, each standing, the pointers that move, the files that are hidden, and their events. What
//! people stopped stays stopped; what people approved stays so while the rules still let it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};

use super::{
    digests::Wish,
    knowledge::{self, Report, Sources},
    seen,
    sql::{self, Decided},
    twins::{self, Twin},
};
use crate::{
    app::App,
    clock,
    domain::{
        event::{Kind, ObjectFact},
        evidence::canonical,
        facts::{Facts, Field, Group},
        pointers::{self, Move, Pointer, Walk},
        refusal::{Fault, ascii_line},
        rev::Rev,
        role::Environment,
        spelling::distance,
        standing::{self, Now, Ruled, State, Step},
        time::Micros,
    },
    gate::{
        EnvironmentSetting,
        act::DecideRevision,
        admission::{Asker, Kind as Effect, Matched, Outcome, Question},
        evidence,
        grant::Granted,
        object::{Found, RevisionNamed},
        resolve::{now_of, pointer_fact, repo_of},
        tx::{Change, Tx},
    },
    store::tables::{file, history, knowledge as row, pointer, report, repository, revision, standing as standing_row},
};

/// What one environment's rules said.
struct Said {
    environment: Environment,
    ruled: Ruled,
    until: Option<Micros>,
    headline: String,
    /// The rules that decided, or want an answer.
    rules: Vec<String>,
    hidden: BTreeMap<String, (String, String)>,
}

/// Everything about one revision that a decision reads.
struct Matter {
    repository: repository::Model,
    revision: revision::Model,
    files: Vec<file::Model>,
    histories: Vec<history::Model>,
    reports: Vec<Report>,
    twins: BTreeMap<String, Twin>,
    nearest_name: i64,
    publisher_tier: &'static str,
    at: Micros,
}

/// Whether every environment has an answer that still stands, rests on the reports as they are now, and has moved every
/// pointer it moves: then nothing has to be decided, and nobody be told.
pub async fn is_decided(app: &App, wish: &Wish) -> Result<bool, Fault> {
    let may = grant(app, wish, "somebody asked for it again")?;
    let db = may.reader();
    let Some(revision) = sql::find_revision_by_id(db, &wish.revision_id).await? else { return Ok(false) };
    let known = sql::find_knowledge(db, &wish.revision_id).await?;
    let now = findings_digest(&sql::list_reports(db, &wish.revision_id).await?);
    if !known.is_some_and(|known| known.scanner == *seen::SCANNER && known.findings_digest == now) {
        return Ok(false);
    }
    let histories = sql::list_histories(db, &revision.repository_id).await?;
    for setting in app.gate.environments() {
        let row = sql::look_at_standing(db, &wish.revision_id, &setting.name).await?;
        match now_of(row.as_ref(), clock::now()) {
            Now::Undecided => return Ok(false),
            Now::Approved => {
                let there = sql::list_pointers(db, &revision.repository_id, &setting.name).await?;
                if !moves_of(&revision.commit_id, &histories, &there).is_empty() {
                    return Ok(false);
                }
            }
            _ => {}
        }
    }
    Ok(true)
}

/// One hash over what the scanner said of every file.
fn findings_digest(reports: &[report::Model]) -> String {
    let all: Vec<Value> = reports
        .iter()
        .map(|row| {
            let body: Value = serde_json::from_str(&row.body).unwrap_or_default();
            json!([row.path, row.bytes_id, row.verdict, row.coverage, body["findings"]])
        })
        .collect();
    seen::hash(&canonical(&Value::Array(all)))
}

fn moves_of(commit: &str, histories: &[history::Model], there: &[pointer::Model]) -> Vec<Move> {
    let there: Vec<_> = there.iter().map(|p| Pointer { name: &p.name, commit: &p.commit_id }).collect();
    let walks = histories.iter().map(|h| Walk { name: &h.ref_name, kind: &h.ref_kind, commits: &h.commits });
    pointers::moves(commit, walks, &there)
}

pub async fn decide(app: &App, wish: &Wish) -> Result<(), Fault> {
    let may = grant(app, wish, "its files were inspected")?;
    let matter = gather(app, &may, wish).await?;
    let known = matter.knowledge()?;
    let mut said = Vec::new();
    for setting in app.gate.environments() {
        said.push(rule(app, &may, &matter, setting).await?);
    }
    write(may, &matter, known, said).await
}

/// The files could not be inspected, and were tried often enough for now: nobody gets anything, with the reason, and it is
/// tried again after a while when somebody asks.
pub async fn not_judged(app: &App, wish: &Wish, why: &str) -> Result<(), Fault> {
    let may = grant(app, wish, "its files could not be inspected")?;
    let at = clock::now();
    let headline = format!("it could not be inspected: {}", ascii_line(why, 250));
    let tx = may.begin().await?;
    let Some(revision) = sql::find_revision_by_id(&tx, &wish.revision_id).await? else { return Ok(()) };
    let mut decided = Vec::new();
    for setting in app.gate.environments() {
        let before = sql::find_standing(&tx, &revision.id, &setting.name).await?;
        let now = now_of(before.as_ref(), at);
        // Only what nobody has decided about: a failure to look again takes nothing away.
        if now != Now::Undecided {
            continue;
        }
        let Ok((state, _)) = standing::step(now, Step::Rule(Ruled::Wait)) else { continue };
        let row = standing_row::Model {
            reason: headline.clone(),
            until_at: Some(at.0 + RETRY),
            ..new_standing(&revision, &setting.name, state, at)
        };
        sql::save_standing(&tx, &may, row).await?;
        if before.as_ref().is_some_and(|row| row.state == "undecided") {
            let commit = &revision.commit_id;
            sql::save_old_approval_as_request(&tx, &may, &wish.repo, commit, &setting.name, at).await?;
        }
        decided.push(setting.name.to_string());
    }
    tx.commit(may, Change::new(json!({"not_judged": decided, "reason": headline}))).await
}

fn grant(app: &App, wish: &Wish, why: &str) -> Result<Granted<DecideRevision>, Fault> {
    let cause = format!("{}@{}: {why}", wish.repo, wish.commit);
    let object = RevisionNamed { repo: wish.repo.clone(), rev: Rev::from(&wish.commit) };
    app.gate.admit_work::<DecideRevision>(&cause, object).map_err(|refusal| Fault::new(refusal.line()))
}

async fn gather(app: &App, may: &Granted<DecideRevision>, wish: &Wish) -> Result<Matter, Fault> {
    let db = may.reader();
    let gone = |what: &str| Fault::new(format!("deciding about a revision: its {what} is gone"));
    let revision = sql::find_revision_by_id(db, &wish.revision_id).await?.ok_or_else(|| gone("row"))?;
    let repository = sql::find_repository(db, &revision.repository_id).await?.ok_or_else(|| gone("repository"))?;
    let files = sql::list_all_files(db, &revision.id).await?;
    let sizes: BTreeMap<&str, i64> = files.iter().map(|row| (row.path.as_str(), row.size)).collect();
    let mut reports = Vec::new();
    for row in sql::list_reports(db, &revision.id).await? {
        let size = sizes.get(row.path.as_str()).copied().and_then(|size| u64::try_from(size).ok()).unwrap_or_default();
        reports.push(Report::read(row, size));
    }
    // Nothing is decided while a file has no report: the inspection writes one for each.
    if reports.len() < files.len() {
        return Err(gone("report on a file"));
    }
    let histories = sql::list_histories(db, &repository.id).await?;
    let nearest_name = nearest(&sql::list_served_names(db).await?, &repository.name);
    let twins = twins::twins(&reports);
    let publisher_tier = app.publishers.tier(wish.repo.owner().unwrap_or_default());
    let at = clock::now();
    Ok(Matter { repository, revision, files, histories, reports, twins, nearest_name, publisher_tier, at })
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
            publisher_tier: self.publisher_tier,
            nearest_name: self.nearest_name,
            at: self.at,
        }
    }

    fn knowledge(&self) -> Result<row::Model, Fault> {
        let facts = knowledge::of_revision(&self.sources(), &BTreeSet::new())?;
        let word = |field| match facts.value(field, self.at) {
            Some(crate::domain::facts::Value::Word(word)) => word,
            _ => "missing".to_owned(),
        };
        let all: Vec<report::Model> = self.reports.iter().map(|one| one.row.clone()).collect();
        let row = row::Model {
            revision_id: self.revision.id.clone(),
            scanner: seen::SCANNER.clone(),
            verdict: word(Field::Verdict),
            coverage: word(Field::Coverage),
            facts: facts.to_json(),
            findings_digest: findings_digest(&all),
            seen_at: self.at.0,
        };
        Ok(row)
    }
}

async fn rule(
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
    let ancestors = ancestors(may, &matter.revision, &setting.name).await?;
    facts.set(Field::AncestorsApproved, ancestors, "catalogue", matter.at)?;
    facts.set(Field::ApprovedBefore, matches!(now, Now::Approved | Now::Expired), "here", matter.at)?;
    let over = before.as_ref().and_then(|row| row.expires_at).is_some_and(|end| end <= matter.at.0);
    facts.set(Field::ApprovalExpired, over, "here", matter.at)?;
    facts.set(Field::OnlyProseChanged, false, "here", matter.at)?;
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
    let what = match (decision.outcome, decision.until) {
        (Outcome::Allow, _) => Ruled::Allow,
        (Outcome::Review, Some(_)) => Ruled::Wait,
        (Outcome::Review, None) => Ruled::Review,
        (Outcome::Deny, _) => Ruled::Deny,
    };
    // Of a review, what an approval answers and what that answer rests on; otherwise what decided.
    let rules: BTreeSet<String> = match decision.outcome {
        Outcome::Allow => decision.rules(Effect::Allow).into_iter().map(str::to_owned).collect(),
        Outcome::Review => decision.answerable().into_iter().map(answer).collect(),
        Outcome::Deny => decision.rules(Effect::Deny).into_iter().map(str::to_owned).collect(),
    };
    let rules = rules.into_iter().collect();
    Ok(Said {
        environment: setting.name.clone(),
        ruled: what,
        until: decision.until,
        headline: decision.headline.clone(),
        rules,
        hidden,
    })
}

/// A rule that somebody can answer, with what an answer rests on.
fn answer(matched: &Matched) -> String {
    let digest = matched.digest().to_string();
    format!("{}:{}", matched.rule, digest.get(..16).unwrap_or(&digest))
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
        // Bytes never go before they are verified.
        stream: false,
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
) -> Result<&'static str, Fault> {
    let bases = knowledge::base_models(revision);
    let mut approved = 0;
    for base in &bases {
        if sql::is_served_somehow(may.reader(), base, environment).await? {
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

async fn write(may: Granted<DecideRevision>, matter: &Matter, known: row::Model, said: Vec<Said>) -> Result<(), Fault> {
    let at = matter.at;
    let commit = matter.revision.commit_id.parse().map_err(|e| Fault::because("reading a commit", e))?;
    let (evidence_digest, tree_digest) =
        evidence::digest(may.policy_rev(), &matter.revision, &commit, &matter.files, &known)?;
    let repo = repo_of(matter.repository.clone())?;
    let tx = may.begin().await?;
    sql::lock_repository(&tx, &matter.repository.id).await?;
    // Somebody else may have verified a file meanwhile: then what was decided here rests on what is no longer so.
    if findings_digest(&sql::list_reports(&tx, &matter.revision.id).await?) != known.findings_digest {
        return Err(Fault::new("deciding about a revision: its reports changed meanwhile").passing());
    }
    sql::save_knowledge(&tx, &may, known.clone(), &tree_digest).await?;
    let mut change = Change::new(json!({
        "verdict": known.verdict, "coverage": known.coverage, "scanner": known.scanner, "evidence_digest": evidence_digest,
        "findings": known.findings_digest,
        "decisions": said.iter().map(|one| json!([one.environment.as_str(), format!("{:?}", one.ruled).to_lowercase(), one.rules])).collect::<Vec<_>>(),
    }));
    for one in &said {
        let before = sql::find_standing(&tx, &matter.revision.id, &one.environment).await?;
        let now = now_of(before.as_ref(), at);
        sql::replace_hidden(&tx, &may, &matter.revision.id, &one.environment, &one.hidden).await?;
        // What is served and may go on needs no new row, and what was stopped stays stopped.
        let Ok((state, kind)) = standing::step(now, Step::Rule(one.ruled)) else { continue };
        if let (Now::Approved, State::Approved, Some(row)) = (now, state, &before) {
            let moves = moves(&tx, matter, &one.environment).await?;
            sql::save_moves(&tx, &may, &standing_row::Model { changed_at: at.0, ..row.clone() }, &moves).await?;
            for step in &moves {
                let fact = pointer_fact(&repo, &step.name, &commit, &one.environment);
                let detail = json!({"from": step.from, "to": step.to, "approval": row.approval_id});
                change = change.and(Kind::PointerMoved, fact, detail);
            }
            continue;
        }
        let moves = if state == State::Approved { moves(&tx, matter, &one.environment).await? } else { Vec::new() };
        let approval_id = (state == State::Approved).then(clock::new_id);
        let decided = Decided {
            standing: standing_row::Model {
                reason: one.headline.clone(),
                rules: one.rules.join(" "),
                until_at: one.until.map(|until| until.0),
                approval_id: approval_id.clone(),
                evidence_digest: Some(evidence_digest.clone()),
                // When an earlier approval ended is kept: a rule asks for it.
                expires_at: match &approval_id {
                    Some(_) => Some(at.0 + LIFE),
                    None => before.as_ref().and_then(|row| row.expires_at),
                },
                ..new_standing(&matter.revision, &one.environment, state, at)
            },
            moves: &moves,
        };
        sql::save_decided(&tx, &may, &decided).await?;
        if before.as_ref().is_some_and(|row| row.state == "undecided") && state != State::Approved {
            sql::save_old_approval_as_request(&tx, &may, &repo.name, &matter.revision.commit_id, &one.environment, at)
                .await?;
        }
        let fact = ObjectFact { environment: Some(one.environment.to_string()), ..Found::fact(may.object()) };
        let detail = json!({
            "before": now.word(), "state": state.word(), "by": "rule", "rules": one.rules, "reason": one.headline,
            "approval": approval_id, "hidden": one.hidden.keys().take(50).collect::<Vec<_>>(),
        });
        change = change.and(kind, fact, detail);
        for step in &moves {
            let fact = pointer_fact(&repo, &step.name, &commit, &one.environment);
            let detail = json!({"from": step.from, "to": step.to, "approval": approval_id});
            change = change.and(Kind::PointerMoved, fact, detail);
        }
    }
    tx.commit(may, change).await
}

async fn moves(tx: &Tx, matter: &Matter, environment: &Environment) -> Result<Vec<Move>, Fault> {
    let there = sql::list_pointers(tx, &matter.repository.id, environment).await?;
    Ok(moves_of(&matter.revision.commit_id, &matter.histories, &there))
}

fn new_standing(
    revision: &revision::Model,
    environment: &Environment,
    state: State,
    at: Micros,
) -> standing_row::Model {
    standing_row::Model {
        revision_id: revision.id.clone(),
        environment: environment.to_string(),
        repository_id: revision.repository_id.clone(),
        state: state.word().to_owned(),
        reason: String::new(),
        approval_id: None,
        evidence_digest: None,
        expires_at: None,
        changed_at: at.0,
        decided_by: "rule".to_owned(),
        rules: String::new(),
        until_at: None,
    }
}

/// How long an approval by rule lasts.
const LIFE: i64 = 365 * Micros::DAY;
/// When a revision that could not be inspected is tried again.
const RETRY: i64 = 120 * Micros::SECOND;

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
