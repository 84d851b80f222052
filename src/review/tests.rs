//! Deciders against each other, over the real rows: rules that are asked by two processes, people who approve, revoke and
//! pin, scanners that find something, time that passes, all in random order and often at once.
//!
//! What must hold after every step, by the numbers of the state machine:
//! 1. Whatever is approved was inspected: its knowledge is written down, and the rules were asked about what it says.
//! 2. What was revoked or suspended is never approved again.
//! 4. An approved standing names its approval, which has not ended and rests on the same evidence; every other approval of
//!    that revision there has ended.
//! 5. Who asks the rules when a scanner has found malware leaves nothing approved of that revision.
//! 6. A pointer moves only with a decision about the commit it moves to, which is approved then; forward along the hub's
//!    history, unless somebody pins it. Every move is an entry.
//! 7. What the hub does changes no standing.
//! 8. Every approval has an end.
//!
//! 3, that two people decide, has no rows yet.

use std::sync::Arc;

use proptest::{
    prelude::*,
    strategy::ValueTree,
    test_runner::{Config, TestRunner},
};
use serde_json::{Value, json};

use super::{approve, examine, pin, revoke};
use crate::{
    app::{App, Publishers},
    clock,
    domain::{name::RepoName, refusal::Refusal, rev::Rev, role::Role},
    gate::{
        act::{ApproveRevision, ExamineRevision, InspectRevision, PinPointer, RevokeRevision, SuspendRevision},
        object::{InEnvironment, RevisionNamed, Where},
        tx::Change,
    },
    intake::{decide, decide_sql, digests::Wish, report_sql, seen, testing::Bench},
    store::tables::report,
};

#[derive(Clone, Copy, Debug)]
enum Event {
    /// The rules are asked, by the first process or by the second.
    Decide(usize, bool),
    /// Somebody looks at it, and approves what they saw.
    Approve(usize),
    Revoke(usize),
    Suspend(usize),
    Pin(usize),
    /// A scanner says something else of it than before.
    Find(usize, &'static str),
    /// The hub's branch goes on to this commit, which was listed.
    Push(usize),
    /// Approvals of it end.
    Expire(usize),
    /// Another basis begins.
    Basis,
}

#[derive(Clone, Copy, Debug)]
enum Turn {
    Alone(Event),
    /// Both at once, in two processes where the database takes two.
    AtOnce(Event, Event),
}

fn event() -> impl Strategy<Value = Event> {
    let verdicts = prop_oneof![2 => Just("clean"), 1 => Just("malicious"), 1 => Just("suspicious")];
    prop_oneof![
        5 => (0..COMMITS, any::<bool>()).prop_map(|(of, second)| Event::Decide(of, second)),
        4 => (0..COMMITS).prop_map(Event::Approve),
        1 => (0..COMMITS).prop_map(Event::Revoke),
        1 => (0..COMMITS).prop_map(Event::Suspend),
        2 => (0..COMMITS).prop_map(Event::Pin),
        2 => (0..COMMITS, verdicts).prop_map(|(of, verdict)| Event::Find(of, verdict)),
        2 => (0..COMMITS).prop_map(Event::Push),
        1 => (0..COMMITS).prop_map(Event::Expire),
        1 => Just(Event::Basis),
    ]
}

fn turn() -> impl Strategy<Value = Turn> {
    prop_oneof![
        1 => event().prop_map(Turn::Alone),
        2 => (event(), event()).prop_map(|(one, other)| Turn::AtOnce(one, other)),
    ]
}

struct Table {
    bench: Bench,
    apps: [App; 2],
    wishes: Vec<Wish>,
    stopped: Vec<bool>,
    moves: usize,
}

/// What the rows say between two turns.
#[derive(Clone, Debug, PartialEq)]
struct Seen {
    /// State, whether it is over, approval, evidence; by commit.
    standings: Vec<Option<(String, bool, String, String)>>,
    pointer: Option<usize>,
    history: Vec<usize>,
}

impl Table {
    async fn new(bench: Bench) -> Self {
        let publishers = Publishers { verified: vec!["acme".to_owned()], ..Publishers::default() };
        let publishers = Arc::new(publishers);
        let with = |app: App| App { publishers: Arc::clone(&publishers), ..app };
        let other = if bench.fresh.is_sqlite() { bench.app.clone() } else { bench.another().await.0 };
        let apps = [with(bench.app.clone()), with(other)];
        bench.change("INSERT INTO repository VALUES ('R', 'models', 'U', 'acme/x', 'acme/x', '{}', 0, 0)").await;
        bench.change("INSERT INTO repository_name VALUES ('models', 'acme/x', 'R', 0)").await;
        let mut wishes = Vec::new();
        for n in 0..COMMITS {
            let (id, commit, sha) = (format!("V{n}"), commit(n), n.to_string().repeat(64));
            let card = r#"{"hub": {"card": {"license": "mit"}}}"#;
            bench
                .change(&format!("INSERT INTO revision VALUES ('{id}', 'R', '{commit}', '', 1, '{card}', NULL, 1)"))
                .await;
            let file = format!("INSERT INTO file VALUES ('{id}', 'model.x', 10, '{commit}', '{sha}', '{sha}')");
            bench.change(&file).await;
            let repo = RepoName::parse("acme/x").unwrap();
            wishes.push(Wish { repo, revision_id: id, commit: commit.parse().unwrap() });
        }
        let history = format!("INSERT INTO history VALUES ('R', 'refs/heads/main', 'branch', '{}', 1)", commit(0));
        bench.change(&history).await;
        let table = Self { bench, apps, wishes, stopped: vec![false; COMMITS], moves: 0 };
        for n in 0..COMMITS {
            table.find(n, "clean").await;
        }
        table
    }

    async fn turn(&mut self, turn: Turn) {
        let before = self.seen().await;
        let events = match turn {
            Turn::Alone(one) => {
                self.act(one, 0).await;
                vec![one]
            }
            Turn::AtOnce(one, other) => {
                tokio::join!(self.act(one, 0), self.act(other, 1));
                vec![one, other]
            }
        };
        let after = self.seen().await;
        self.check(&before, &after, &events).await;
    }

    async fn act(&self, event: Event, process: usize) {
        let app = &self.apps[process];
        match event {
            Event::Decide(of, second) => {
                decide::decide(&self.apps[usize::from(second)], &self.wishes[of]).await.unwrap();
            }
            // Of what people do, a refusal is an answer too: the rows say whether it was one.
            Event::Approve(of) => drop(self.approve(app, of).await),
            Event::Revoke(of) => {
                let may = self.bench.granted_as::<RevokeRevision>(Role::Reviewer, asked(of)).await;
                let input = serde_json::from_value(json!({"reason": "a mistake"})).unwrap();
                drop(revoke::revoke_revision(&app.gate, may, input).await);
            }
            Event::Suspend(of) => {
                let may = app.gate.admit_work::<SuspendRevision>("test", named(of)).unwrap();
                let tx = may.begin().await.unwrap();
                decide_sql::suspend(&tx, &may, &self.wishes[of].revision_id, "other bytes", clock::now())
                    .await
                    .unwrap();
                tx.commit(may, Change::new(Value::Null)).await.unwrap();
            }
            Event::Pin(of) => {
                let may = self.bench.granted_as::<PinPointer>(Role::Reviewer, asked(of)).await;
                drop(pin::pin(may, serde_json::from_value(json!({"reason": "go back"})).unwrap()).await);
            }
            Event::Find(of, verdict) => self.find(of, verdict).await,
            Event::Push(of) => {
                let history = self.seen().await.history;
                if !history.contains(&of) {
                    let all: Vec<String> = std::iter::once(of).chain(history).map(commit).collect();
                    self.bench.change(&format!("UPDATE history SET commits = '{}'", all.join(" "))).await;
                }
            }
            Event::Expire(of) => {
                let sql = "UPDATE standing SET expires_at = 2 WHERE state = 'approved' AND revision_id";
                self.bench.change(&format!("{sql} = 'V{of}'")).await;
            }
            Event::Basis => {
                let number = self.apps[0].basis.number() + 1;
                self.apps.iter().for_each(|app| app.basis.settle(number, false));
            }
        }
    }

    async fn approve(&self, app: &App, of: usize) -> Result<Value, Refusal> {
        let look = self.bench.granted_as::<ExamineRevision>(Role::Reviewer, asked(of)).await;
        let seen = examine::look(app, &look, &serde_json::from_value(json!({})).unwrap()).await?;
        let Some(digest) = seen["evidence_digest"].as_str() else { return Ok(Value::Null) };
        let may = self.bench.granted_as::<ApproveRevision>(Role::Reviewer, asked(of)).await;
        let input = json!({"evidence_digest": digest, "reason": "looked at it"});
        approve::approve(app, may, serde_json::from_value(input).unwrap()).await
    }

    /// A scanner's report on the one file of a revision. Every second one holds a pickle, which a person has to look at.
    async fn find(&self, of: usize, verdict: &str) {
        let app = &self.apps[0];
        let may = app.gate.admit_work::<InspectRevision>("test", named(of)).unwrap();
        let row = report::Model {
            revision_id: format!("V{of}"),
            path: "model.x".to_owned(),
            bytes_id: of.to_string().repeat(64),
            scanner: seen::SCANNER.clone(),
            siblings: String::new(),
            stage: "verified".to_owned(),
            format: if of.is_multiple_of(2) { "safetensors" } else { "pickle" }.to_owned(),
            verdict: verdict.to_owned(),
            coverage: "complete".to_owned(),
            body: json!({"facts": {}, "findings": [], "coverage": {"state": "complete"}}).to_string(),
            ranges: "[]".to_owned(),
            made_at: 1,
        };
        let tx = may.begin().await.unwrap();
        report_sql::save_reports(&tx, &may, &app.basis, vec![row]).await.unwrap();
        tx.commit(may, Change::new(Value::Null)).await.unwrap();
    }

    async fn seen(&self) -> Seen {
        let mut standings = vec![None; COMMITS];
        let sql = "SELECT revision_id || ' ' || state || ' ' || CASE WHEN expires_at <= 2 THEN 'over' ELSE 'on' END \
                   || ' ' || COALESCE(approval_id, '-') || ' ' || COALESCE(evidence_digest, '-') FROM standing";
        for row in self.bench.texts(sql).await {
            let [id, state, over, approval, evidence] = row.split(' ').collect::<Vec<_>>().try_into().unwrap();
            let n: usize = id.trim_start_matches('V').parse().unwrap();
            standings[n] = Some((state.to_owned(), over == "over", approval.to_owned(), evidence.to_owned()));
        }
        let pointer = self.bench.texts("SELECT commit_id FROM pointer").await;
        let history = self.bench.texts("SELECT commits FROM history").await.remove(0);
        Seen {
            standings,
            pointer: pointer.first().and_then(|commit| index(commit)),
            history: history.split(' ').filter_map(index).collect(),
        }
    }

    async fn check(&mut self, before: &Seen, after: &Seen, events: &[Event]) {
        let told = format!("{before:?}\n{events:?}\n{after:?}");
        let known = self.bench.texts("SELECT revision_id FROM knowledge").await;
        for n in 0..COMMITS {
            let Some((state, over, approval, evidence)) = &after.standings[n] else { continue };
            let served = state == "approved" && !over;
            assert!(!served || known.contains(&format!("V{n}")), "1: {n} is served without knowledge\n{told}");
            assert!(!served || !self.stopped[n], "2: {n} was stopped and is served again\n{told}");
            self.stopped[n] |= matches!(state.as_str(), "revoked" | "suspended");
            let open = format!(
                "SELECT id || ' ' || evidence_digest FROM approval WHERE ended_at IS NULL AND revision_id = 'V{n}'"
            );
            let open = self.bench.texts(&open).await;
            if state == "approved" {
                assert_eq!(open, [format!("{approval} {evidence}")], "4: {n}\n{told}");
            } else {
                assert_eq!(open, Vec::<String>::new(), "4: an approval of {n} goes on\n{told}");
            }
            let untouched = events.iter().all(|event| matches!(event, Event::Push(_) | Event::Basis | Event::Find(..)));
            assert!(!untouched || before.standings[n] == after.standings[n], "7: nobody decided about {n}\n{told}");
            if let [Event::Decide(of, _)] = events
                && *of == n
            {
                let verdict = self.bench.texts(&format!("SELECT verdict FROM report WHERE revision_id = 'V{n}'")).await;
                assert!(!served || verdict == ["clean"] || verdict == ["suspicious"], "5: {n}\n{told}");
            }
        }
        let endless = "SELECT CAST(count(*) AS BIGINT) FROM approval WHERE expires_at IS NULL";
        assert_eq!(self.bench.number(endless).await, 0, "8\n{told}");
        let moved = self.bench.events("pointer.moved").await;
        if after.pointer == before.pointer {
            self.moves = moved.len();
            return;
        }
        assert!(moved.len() > self.moves, "6: a pointer moved without an entry\n{told}");
        self.moves = moved.len();
        let to = after.pointer.unwrap();
        let decided =
            |event: &Event| matches!(event, Event::Decide(of, _) | Event::Approve(of) | Event::Pin(of) if *of == to);
        assert!(events.iter().any(decided), "6: a pointer moved without a decision\n{told}");
        // Whoever stopped it at the same time may have come after the move.
        let stops = |event: &Event| matches!(event, Event::Revoke(of) | Event::Suspend(of) | Event::Expire(of) | Event::Decide(of, _) if *of == to);
        let approved = after.standings[to].as_ref().is_some_and(|row| row.0 == "approved" && !row.1);
        assert!(approved || events.iter().any(stops), "6: a pointer moved to what is not approved\n{told}");
        let pinned = events.iter().any(|event| matches!(event, Event::Pin(_)));
        let place = |n: usize| after.history.iter().position(|one| *one == n);
        if let (Some(Some(old)), Some(new)) = (before.pointer.map(place), place(to)) {
            assert!(pinned || new < old, "6: a pointer moved back\n{told}");
        }
    }
}

fn commit(n: usize) -> String {
    format!("{n:040}")
}

fn index(commit: &str) -> Option<usize> {
    commit.parse().ok()
}

fn named(of: usize) -> RevisionNamed {
    RevisionNamed { repo: RepoName::parse("acme/x").unwrap(), rev: Rev::new(&commit(of)).unwrap() }
}

fn asked(of: usize) -> InEnvironment {
    let research = crate::domain::role::Environment::new("research").unwrap();
    let RevisionNamed { repo, rev } = named(of);
    InEnvironment { at: Where::Named(research), repo, rev }
}

#[tokio::test(flavor = "multi_thread")]
async fn no_sequence_of_deciders_breaks_the_invariants() {
    let long = std::env::var_os("WEIGHBRIDGE_TEST_LONG").is_some();
    let (sequences, turns) = if long { (150, 60) } else { (3, 25) };
    let mut runner = if long { TestRunner::new(Config::default()) } else { TestRunner::deterministic() };
    let all = proptest::collection::vec(turn(), turns);
    for _ in 0..sequences {
        let turns = all.new_tree(&mut runner).unwrap().current();
        for bench in Bench::on_each().await {
            let mut table = Table::new(bench).await;
            for turn in &turns {
                Box::pin(table.turn(*turn)).await;
            }
        }
    }
}

/// What a reviewer saw is what is approved: a finding that came in between, or a rule that newly wants an answer, is
/// noticed while the approval is given.
#[tokio::test(flavor = "multi_thread")]
async fn what_came_between_looking_and_approving_stops_the_approval() {
    for bench in Bench::on_each().await {
        let table = Table::new(bench).await;
        let (app, of) = (&table.apps[0], 1);
        decide::decide(app, &table.wishes[of]).await.unwrap();
        let look = async || {
            let may = table.bench.granted_as::<ExamineRevision>(Role::Reviewer, asked(of)).await;
            let seen = examine::look(app, &may, &serde_json::from_value(json!({})).unwrap()).await.unwrap();
            seen["evidence_digest"].as_str().unwrap().to_owned()
        };
        let give = async |digest: String| {
            let may = table.bench.granted_as::<ApproveRevision>(Role::Reviewer, asked(of)).await;
            let input = json!({"evidence_digest": digest, "reason": "looked at it"});
            approve::approve(app, may, serde_json::from_value(input).unwrap()).await
        };
        let stale = look().await;
        table.find(of, "suspicious").await;
        decide::decide(app, &table.wishes[of]).await.unwrap();
        let refused = give(stale).await.map_err(|refusal| refusal.sentence);
        assert!(refused.as_ref().is_err_and(|why| why.contains("no longer what you saw")), "{refused:?}");

        // The files are as they were; what a rule asks is not.
        let stale = look().await;
        let unsure = Publishers { known: vec!["acme".to_owned()], ..Publishers::default() };
        let other = App { publishers: Arc::new(unsure), ..app.clone() };
        table.bench.change("UPDATE revision SET facts = '{}'").await;
        decide::decide(&other, &table.wishes[of]).await.unwrap();
        assert!(give(stale).await.is_err(), "an approval answered a question that its giver was not asked");
        let there = table.bench.texts("SELECT state FROM standing WHERE revision_id = 'V1'").await;
        assert_eq!(there, ["pending"]);
        give(look().await).await.map_err(|refusal| refusal.sentence).unwrap();
    }
}

const COMMITS: usize = 4;

/// An approval answers what the rules said on the basis of then: on a newer one they are asked again.
#[tokio::test(flavor = "multi_thread")]
async fn an_approval_rests_on_the_basis_of_what_it_answers() {
    for bench in Bench::on_each_under("guarded").await {
        let table = Table::new(bench).await;
        table.act(Event::Decide(1, false), 0).await;
        let rests_on = async || {
            let sql = "SELECT state || ' ' || basis FROM standing WHERE revision_id = 'V1'";
            table.bench.texts(sql).await.remove(0)
        };
        let number = table.apps[0].basis.number();
        assert_eq!(rests_on().await, format!("pending {number}"));
        table.act(Event::Basis, 0).await;
        table.approve(&table.apps[0], 1).await.unwrap();
        assert_eq!(rests_on().await, format!("approved {number}"));
        assert!(!decide::is_decided(&table.apps[0], &table.wishes[1]).await.unwrap(), "the rules are asked again");
    }
}
