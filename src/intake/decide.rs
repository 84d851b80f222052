//! Having the rules decide about an inspected revision, in every environment, and writing down what they said.
//!
//! One change: what is known, each standing, the pointers that move, the files that are hidden, and their events. What
//! people stopped stays stopped; what people approved stays so while the rules still let it. What was decided on a newer
//! basis is left as it is.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::{
    change::sql::Confirmed,
    decide_sql::{self, Decided, Places},
    digests::Wish,
    judge::{self, Matter, Said, findings_digest, rests_on},
    report_sql, sql,
};
use crate::{
    app::App,
    clock,
    domain::{
        event::{Kind, ObjectFact},
        pointers::{self, Move, Pointer, Walk},
        refusal::{Fault, ascii_line},
        rev::{Commit, Rev},
        role::Environment,
        standing::{self, Now, Ruled, State, Step},
        time::Micros,
    },
    gate::{
        act::DecideRevision,
        evidence,
        grant::Granted,
        object::{Found, RevisionNamed},
        resolve::{now_of, pointer_fact, repo_of},
        tx::{Change, Tx},
    },
    store::tables::{history, knowledge as row, revision, standing as standing_row},
};

/// Whether every environment has an answer that still stands, rests on the reports and on the basis as they are now, and
/// has moved every pointer it moves: then nothing has to be decided, and nobody be told.
pub async fn is_decided(app: &App, wish: &Wish) -> Result<bool, Fault> {
    let may = grant(app, wish, "somebody asked for it again")?;
    let db = may.reader();
    let Some(revision) = sql::find_revision_by_id(db, &wish.revision_id).await? else { return Ok(false) };
    let known = decide_sql::find_knowledge(db, &wish.revision_id).await?;
    let reports = report_sql::list_reports(db, &wish.revision_id).await?;
    let now = findings_digest(&reports);
    if !known.is_some_and(|known| known.scanner == rests_on(&reports) && known.findings_digest == now) {
        return Ok(false);
    }
    let histories = sql::list_histories(db, &revision.repository_id).await?;
    for setting in app.gate.environments() {
        let row = sql::look_at_standing(db, &wish.revision_id, &setting.name).await?;
        if row.as_ref().is_none_or(|row| row.basis < app.basis.number()) {
            return Ok(false);
        }
        match now_of(row.as_ref(), clock::now()) {
            Now::Undecided => return Ok(false),
            Now::Approved => {
                let places = decide_sql::list_places(db, &revision.repository_id, &setting.name).await?;
                if !moves_of(&revision.commit_id, &histories, &places).is_empty() {
                    return Ok(false);
                }
            }
            _ => {}
        }
    }
    Ok(true)
}

/// Where rules that let a revision through move pointers. What a person pinned, or what stands on a commit that was
/// stopped, only a person moves.
fn moves_of(commit: &str, histories: &[history::Model], places: &Places) -> Vec<Move> {
    let there: Vec<_> = places.there.iter().map(|p| Pointer { name: &p.name, commit: &p.commit_id }).collect();
    let walks = histories.iter().map(|h| Walk { name: &h.ref_name, kind: &h.ref_kind, commits: &h.commits });
    let mut moves = pointers::moves(commit, walks, &there);
    moves.retain(|step| !places.frozen.contains(&step.name));
    moves
}

pub async fn decide(app: &App, wish: &Wish) -> Result<(), Fault> {
    // Somebody else may decide at the same time; then the rules are asked again about how it stands now.
    for _ in 1..MOST_TRIES {
        if once(app, wish).await? {
            return Ok(());
        }
    }
    if once(app, wish).await? {
        return Ok(());
    }
    Err(Fault::new("deciding about a revision: what it rests on keeps changing").passing())
}

async fn once(app: &App, wish: &Wish) -> Result<bool, Fault> {
    let may = grant(app, wish, "its files were inspected")?;
    let (matter, said) = ask(app, &may, wish).await?;
    let known = matter.knowledge()?;
    write(app, may, &matter, known, said).await
}

async fn ask(app: &App, may: &Granted<DecideRevision>, wish: &Wish) -> Result<(Matter, Vec<Said>), Fault> {
    let matter = judge::gather(app, may, wish).await?;
    let mut said = Vec::new();
    for setting in app.gate.environments() {
        said.push(judge::rule(app, may, &matter, setting).await?);
    }
    Ok((matter, said))
}

/// Asks the rules again. What they say as before is answered, to be confirmed together with others; anything else is
/// written down at once, and the answer is empty.
pub async fn decide_anew(app: &App, wish: &Wish) -> Result<Vec<Confirmed>, Fault> {
    let may = grant(app, wish, "what its decision rests on has changed")?;
    let (matter, said) = ask(app, &may, wish).await?;
    let known = matter.knowledge()?;
    let same_known =
        decide_sql::find_knowledge(may.reader(), &wish.revision_id).await?.is_some_and(|was| same(&was, &known));
    let mut confirmed = Vec::new();
    for one in &said {
        let hidden = decide_sql::list_hidden(may.reader(), &wish.revision_id, &one.environment).await?;
        let places = decide_sql::list_places(may.reader(), &matter.repository.id, &one.environment).await?;
        let moves = moves_of(&matter.revision.commit_id, &matter.histories, &places);
        match &one.before {
            Some(row)
                if same_known && is_as_before(row, one, matter.at) && hidden == one.hidden && moves.is_empty() =>
            {
                confirmed.push(Confirmed {
                    revision_id: row.revision_id.clone(),
                    environment: row.environment.clone(),
                    state: row.state.clone(),
                    changed_at: row.changed_at,
                });
            }
            _ => {
                drop(may);
                decide(app, wish).await?;
                return Ok(Vec::new());
            }
        }
    }
    Ok(confirmed)
}

/// Whether the rules say of a standing what it says already.
fn is_as_before(row: &standing_row::Model, said: &Said, at: Micros) -> bool {
    let now = now_of(Some(row), at);
    match standing::step(now, Step::Rule(said.ruled)) {
        // What was stopped stays stopped, whatever the rules say.
        Err(_) => true,
        Ok((State::Approved, _)) => now == Now::Approved,
        Ok((state, _)) => {
            row.state == state.word()
                && row.rules == said.rules.join(" ")
                && row.reason == said.headline
                && row.until_at == said.until.map(|until| until.0)
        }
    }
}

/// The same knowledge, whenever it was gathered.
fn same(was: &row::Model, is: &row::Model) -> bool {
    fn values(facts: &str) -> Map<String, Value> {
        let told: Value = serde_json::from_str(facts).unwrap_or_default();
        let facts = told["facts"].as_object().cloned().unwrap_or_default();
        facts.into_iter().map(|(word, known)| (word, known["value"].clone())).collect()
    }
    (&was.scanner, &was.verdict, &was.coverage, &was.findings_digest)
        == (&is.scanner, &is.verdict, &is.coverage, &is.findings_digest)
        && values(&was.facts) == values(&is.facts)
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
        let before = decide_sql::find_standing(&tx, &revision.id, &setting.name).await?;
        let now = now_of(before.as_ref(), at);
        // Only what nobody has decided about: a failure to look again takes nothing away.
        if now != Now::Undecided {
            continue;
        }
        let Ok((state, _)) = standing::step(now, Step::Rule(Ruled::Wait)) else { continue };
        let row = standing_row::Model {
            reason: headline.clone(),
            until_at: Some(at.0 + RETRY),
            basis: app.basis.number(),
            ..new_standing(&revision, &setting.name, state, at)
        };
        decide_sql::save_standing(&tx, &may, row).await?;
        if before.as_ref().is_some_and(|row| row.state == "undecided") {
            let commit = &revision.commit_id;
            decide_sql::save_old_approval_as_request(&tx, &may, &wish.repo, commit, &setting.name, at).await?;
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

/// How the revision stands under the lock, unless somebody has changed what the rules were asked about.
async fn unchanged(
    tx: &Tx,
    matter: &Matter,
    said: &[Said],
) -> Result<Option<BTreeMap<Environment, Option<standing_row::Model>>>, Fault> {
    let mut standings = BTreeMap::new();
    for one in said {
        let before = decide_sql::find_standing(tx, &matter.revision.id, &one.environment).await?;
        // Somebody else decided meanwhile, and the rules did not hear of it.
        if before != one.before {
            return Ok(None);
        }
        // What it was let through for may have been stopped meanwhile.
        if let Some(base) = &one.base
            && decide_sql::find_standing(tx, &base.revision_id, &one.environment).await?.as_ref() != Some(base)
        {
            return Ok(None);
        }
        standings.insert(one.environment.clone(), before);
    }
    Ok(Some(standings))
}

/// False when somebody else changed what was decided about: then nothing was written.
async fn write(
    app: &App,
    may: Granted<DecideRevision>,
    matter: &Matter,
    known: row::Model,
    said: Vec<Said>,
) -> Result<bool, Fault> {
    let (at, number) = (matter.at, app.basis.number());
    let commit: Commit = matter.revision.commit_id.parse().map_err(|e| Fault::because("reading a commit", e))?;
    let (evidence_digest, tree_digest) =
        evidence::digest(may.policy_rev(), &matter.revision, &commit, &matter.files, &known)?;
    let repo = repo_of(matter.repository.clone())?;
    let tx = may.begin().await?;
    decide_sql::lock_repository(&tx, &matter.repository.id).await?;
    // Somebody else may have verified a file meanwhile: then what was decided here rests on what is no longer so.
    if findings_digest(&report_sql::list_reports(&tx, &matter.revision.id).await?) != known.findings_digest {
        return Ok(false);
    }
    let Some(mut standings) = unchanged(&tx, matter, &said).await? else { return Ok(false) };
    // Read here and not before: an older history would lead a pointer back.
    let histories = sql::list_histories(&tx, &matter.repository.id).await?;
    decide_sql::save_knowledge(&tx, &may, known.clone(), &tree_digest).await?;
    let rested_on: BTreeMap<&str, Option<i64>> =
        standings.iter().map(|(name, row)| (name.as_str(), row.as_ref().map(|row| row.basis))).collect();
    let mut change = Change::new(json!({
        "verdict": known.verdict, "coverage": known.coverage, "scanner": known.scanner, "evidence_digest": evidence_digest,
        "findings": known.findings_digest, "basis": number, "rested_on": rested_on,
        "decisions": said.iter().map(|one| json!([one.environment.as_str(), format!("{:?}", one.ruled).to_lowercase(), one.rules])).collect::<Vec<_>>(),
    }));
    for one in &said {
        let before = standings.remove(&one.environment).flatten();
        // What was decided on a newer basis is not ours to change.
        if before.as_ref().is_some_and(|row| row.basis > number) {
            continue;
        }
        let now = now_of(before.as_ref(), at);
        decide_sql::replace_hidden(&tx, &may, &matter.revision.id, &one.environment, &one.hidden).await?;
        let places = decide_sql::list_places(&tx, &matter.repository.id, &one.environment).await?;
        let moves = moves_of(&matter.revision.commit_id, &histories, &places);
        let step = standing::step(now, Step::Rule(one.ruled));
        // What is served and may go on needs no new row, and what was stopped stays stopped; the rules were asked.
        let (row, kind, moves) = match (step, before.clone()) {
            (Ok((State::Approved, _)), Some(row)) if now == Now::Approved => (row, None, moves),
            (Ok((state, kind)), _) => {
                let moves = if state == State::Approved { moves } else { Vec::new() };
                (decided(matter, one, state, before.as_ref(), &evidence_digest), Some(kind), moves)
            }
            (Err(_), Some(row)) => (row, None, Vec::new()),
            (Err(_), None) => continue,
        };
        let row = standing_row::Model { basis: number, ..row };
        let approval = row.approval_id.clone();
        if let Some(kind) = kind {
            let ends = before.as_ref().and_then(|row| row.approval_id.as_deref());
            decide_sql::save_decided(&tx, &may, &Decided { standing: row.clone(), moves: &moves, ends, at }).await?;
            if before.as_ref().is_some_and(|row| row.state == "undecided") && row.state != "approved" {
                let commit = &matter.revision.commit_id;
                decide_sql::save_old_approval_as_request(&tx, &may, &repo.name, commit, &one.environment, at).await?;
            }
            let fact = ObjectFact { environment: Some(one.environment.to_string()), ..Found::fact(may.object()) };
            let detail = json!({
                "before": now.word(), "state": row.state, "by": "rule", "rules": one.rules, "reason": one.headline,
                "approval": approval, "hidden": one.hidden.keys().take(50).collect::<Vec<_>>(),
                "basis": number, "rested_on": before.as_ref().map(|row| row.basis),
            });
            change = change.and(kind, fact, detail);
        } else {
            decide_sql::save_moves(&tx, &may, &row, at, &moves).await?;
            decide_sql::save_standing(&tx, &may, row).await?;
        }
        for step in &moves {
            let fact = pointer_fact(&repo, &step.name, &commit, &one.environment);
            let detail = json!({"from": step.from, "to": step.to, "approval": approval});
            change = change.and(Kind::PointerMoved, fact, detail);
        }
    }
    tx.commit(may, change).await?;
    Ok(true)
}

/// The standing that the rules lead to.
fn decided(
    matter: &Matter,
    said: &Said,
    state: State,
    before: Option<&standing_row::Model>,
    evidence_digest: &str,
) -> standing_row::Model {
    let approval_id = (state == State::Approved).then(clock::new_id);
    standing_row::Model {
        reason: said.headline.clone(),
        rules: said.rules.join(" "),
        until_at: said.until.map(|until| until.0),
        evidence_digest: Some(evidence_digest.to_owned()),
        // When an earlier approval ended is kept: a rule asks for it.
        expires_at: match &approval_id {
            // What rests on another approval ends with it.
            Some(_) => {
                Some(said.base.as_ref().and_then(|base| base.expires_at).unwrap_or(i64::MAX).min(matter.at.0 + LIFE))
            }
            None => before.and_then(|row| row.expires_at),
        },
        approval_id,
        ..new_standing(&matter.revision, &said.environment, state, matter.at)
    }
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
        basis: 0,
    }
}

/// How long an approval by rule lasts.
const LIFE: i64 = 365 * Micros::DAY;
/// When a revision that could not be inspected is tried again.
const RETRY: i64 = 120 * Micros::SECOND;
/// How often the rules are asked again, when somebody else decides at the same time.
const MOST_TRIES: usize = 5;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "a test fails by panicking")]
mod tests;
