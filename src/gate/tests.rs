//! The gate over a fresh database, without a listener: what is counted, who is slowed down, and when a stream ends.

#![allow(clippy::unwrap_used, reason = "tests")]

mod people;

use std::net::IpAddr;

use http::{HeaderMap, HeaderValue, header};
use sea_orm::{ColumnTrait, ConnectionTrait, EntityTrait, QueryFilter, QueryOrder, Statement};
use tokio::time::timeout;

use super::{
    act::{PullFile, ReadDecision},
    admission::{Admission, DataClass},
    object::{DecisionId, FileAsked},
    stream::Sending,
    *,
};
use crate::{
    clock,
    domain::{
        event::{ActorFact, Outcome},
        name::RepoKind,
        token,
    },
    ledger::Settings,
    store::{
        tables::{ledger_entry, subject},
        testing::{Fresh, sqlite},
    },
    upstream,
};

/// A gate that serves one file, and somebody who may pull it.
struct Bench {
    gate: Gate,
    store: Store,
    _fresh: Fresh,
}

const COMMIT: &str = "0123456789012345678901234567890123456789";

impl Bench {
    async fn new() -> Self {
        Self::with(crate::gate::Identity::default()).await
    }

    async fn with(identity: crate::gate::Identity) -> Self {
        let fresh = sqlite();
        let store = fresh.store().await;
        let settings = Settings { data_dir: fresh.folder.path().to_owned(), replica: "test".to_owned() };
        let ledger = Ledger::open(store.clone(), settings).await.unwrap();
        let _task = ledger.start().unwrap();
        let upstream = upstream::Settings {
            url: "http://127.0.0.1:9/".parse().unwrap(),
            token: None,
            allow_hosts: Vec::new(),
            allow_private_addresses: true,
            reserved_namespaces: Vec::new(),
        };
        let gate = Gate::new(Parts {
            identity,
            store: store.clone(),
            ledger,
            access: Access::built_in().await.unwrap(),
            upstream: Upstream::new(upstream).unwrap(),
            environments: [("research", false), ("prod", true)].map(setting).into(),
            admission: Admission::built_in("guarded").await.unwrap(),
            public_url: "http://here".to_owned(),
        });
        let bench = Self { gate, store, _fresh: fresh };
        let digest = "a".repeat(64);
        bench
            .change(&[
                "INSERT INTO repository (id, kind, upstream_id, name, hub_name, facts, first_seen_at, seen_at) \
                 VALUES ('R', 'models', 'U', 'acme/tiny', 'acme/tiny', '{}', 0, 0)",
                "INSERT INTO repository_name VALUES ('models', 'acme/tiny', 'R', 0)",
                &format!("INSERT INTO revision VALUES ('V', 'R', '{COMMIT}', '', 0, '{{}}', NULL, 0)"),
                &format!("INSERT INTO file VALUES ('V', 'a.bin', 10, '{COMMIT}', NULL, '{digest}')"),
                "INSERT INTO standing VALUES ('V', 'research', 'R', 'approved', '', 'A', 'E', NULL, 0, 'person', '', NULL, 0)",
            ])
            .await;
        bench
    }

    /// What another part of the gateway might commit.
    async fn change(&self, statements: &[&str]) {
        let tx = self.gate.ledger().begin().await.unwrap();
        for statement in statements {
            tx.execute_raw(Statement::from_string(tx.get_database_backend(), *statement)).await.unwrap();
        }
        let actor = ActorFact { kind: "system", ..ActorFact::default() };
        tx.commit(vec![Event::new(clock::new_id(), Kind::PointerMoved, Outcome::Done, actor)]).await.unwrap();
    }

    /// A developer's token that is good for so long.
    async fn token(&self, lives: Duration) -> String {
        let text = unknown_token();
        let hash: String = identity::hash(&text).iter().fold(String::new(), |all, byte| format!("{all}{byte:02x}"));
        let ends = clock::now().0 + i64::try_from(lives.as_micros()).unwrap();
        let id = clock::new_id();
        let row = format!(
            "INSERT INTO token (id, hash, name, role, reach, created_at, created_by, expires_at) \
             VALUES ('{id}', X'{hash}', 'me', 'developer', '*', 0, 'test', {ends})"
        );
        self.change(&[&row]).await;
        text
    }

    async fn identify(&self, token: &str, address: &str) -> Result<Actor, Refusal> {
        self.gate.identify(&bearer(token), &from(address)).await
    }

    async fn granted(&self, token: &str) -> Granted<PullFile> {
        let actor = self.identify(token, "192.0.2.1").await.unwrap();
        let repo = RepoName::new(RepoKind::Model, "acme/tiny").unwrap();
        let asked = FileAsked { repo, rev: Rev::new(COMMIT).unwrap(), path: FilePath::new("a.bin").unwrap() };
        self.gate.admit(actor, asked, &from("192.0.2.1")).await.unwrap()
    }

    /// Waits until every change has its entry: that moves the gate once more.
    async fn settled(&self) {
        while timeout(Duration::from_millis(300), self.gate.ledger().changes().changed()).await.is_ok() {}
    }

    async fn sending(&self) -> Sending {
        let token = self.token(HOUR).await;
        self.settled().await;
        self.granted(&token).await.send()
    }

    async fn entries(&self, kind: Kind) -> Vec<String> {
        let of = ledger_entry::Entity::find().filter(ledger_entry::Column::Kind.eq(kind.word()));
        let rows = of.order_by_asc(ledger_entry::Column::Seq).all(self.store.reader()).await.unwrap();
        rows.into_iter().map(|row| String::from_utf8(row.body).unwrap()).collect()
    }

    async fn networks(&self) -> Vec<String> {
        let of = subject::Entity::find().filter(subject::Column::Kind.eq("address"));
        of.all(self.store.reader()).await.unwrap().into_iter().map(|row| row.clear).collect()
    }
}

fn setting((name, production): (&str, bool)) -> EnvironmentSetting {
    let name = Environment::new(name).unwrap();
    EnvironmentSetting { name, production, data_class: DataClass::Unstated, stream_unverified: false }
}

const HOUR: Duration = Duration::from_hours(1);

/// One that could be ours.
fn unknown_token() -> String {
    let random = clock::new_id().repeat(2).into_bytes();
    token::compose(token::Class::Service, token::Shape::Own, &std::array::from_fn(|i| random[i % random.len()]))
}

fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_str(&format!("Bearer {token}")).unwrap();
    HeaderMap::from_iter([(header::AUTHORIZATION, value)])
}

fn from(address: &str) -> Call {
    let address: IpAddr = address.parse().unwrap();
    Call { source: Some(Source { address, agent: String::new() }), ..Call::default() }
}

fn viewed(n: usize) -> (CountKey, impl FnOnce() -> Event) {
    let key = (n.to_string(), "", String::new(), String::new(), String::new());
    let actor = ActorFact { kind: "service", ..ActorFact::default() };
    (key, || Event::new(String::new(), Kind::RevisionViewed, Outcome::Allow, actor))
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_that_was_counted_reaches_the_ledger() {
    let bench = Bench::new().await;
    // Far more than the ledger's queue holds.
    for n in 0..5000 {
        let (key, event) = viewed(n);
        bench.gate.0.counted.add(key, clock::now(), event);
    }
    let mut sending = bench.sending().await;
    sending.count(10);
    sending.finished();
    drop(sending);
    bench.gate.write_out(true).await;
    bench.gate.ledger().stop().await;
    assert_eq!(bench.entries(Kind::RevisionViewed).await.len(), 5000);
    let ended = bench.entries(Kind::FileEnded).await;
    assert!(matches!(ended.as_slice(), [one] if one.contains("\"bytes\":10")), "{ended:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_ledger_does_not_take_is_kept_and_no_more_than_that() {
    let bench = Bench::new().await;
    let add = |n| {
        let (key, event) = viewed(n);
        bench.gate.0.counted.add(key, clock::now(), event)
    };
    while !add(bench.gate.0.counted.len()) {}
    let full = bench.gate.0.counted.len();
    bench.gate.ledger().stop().await;
    for more in 0..3 {
        bench.gate.write_out(false).await;
        assert_eq!(bench.gate.0.leaving.lock().await.len(), full);
        for n in 0..2 * full {
            add(n);
        }
        assert_eq!(bench.gate.0.counted.len(), full, "{more}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn invented_decisions_are_counted_in_one_row() {
    let bench = Bench::new().await;
    let token = bench.token(HOUR).await;
    let actor = bench.identify(&token, "192.0.2.1").await.unwrap();
    for n in 0..50 {
        let asked = DecisionId(format!("01JD{n}"));
        let _may = bench.gate.admit::<ReadDecision>(actor.clone(), asked, &Call::default()).await.unwrap();
    }
    let counted = bench.gate.0.counted.take(true);
    let times: Vec<_> = counted.iter().filter_map(|e| e.count.as_ref()).map(|c| c.times).collect();
    assert_eq!(times, [50]);
    assert!(counted.iter().all(|e| e.object.as_ref().is_some_and(|o| o.id.is_none())));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_flood_of_addresses_in_one_network_is_one_row() {
    let bench = Bench::new().await;
    let mut slowed = 0;
    for n in 0..900 {
        let call = from(&format!("2001:db8:1:2::{n:x}"));
        let refusal = bench.gate.identify(&HeaderMap::new(), &call).await.unwrap_err();
        slowed += usize::from(refusal.code == Code::TooManyRequests);
    }
    assert!(slowed > 100, "{slowed}");
    assert_eq!(bench.networks().await, ["2001:db8:1:2::/64"]);
    let counted = bench.gate.0.counted.take(true);
    let times: Vec<_> = counted.iter().filter_map(|e| e.count.as_ref()).map(|c| c.times).collect();
    assert_eq!(times, [900 - slowed as u64]);
    // And however many networks there are, only some become rows.
    for n in 0..900 {
        let _ = bench.gate.identify(&HeaderMap::new(), &from(&format!("2001:db8:2:{n:x}::1"))).await.unwrap_err();
    }
    let networks = bench.networks().await.len();
    assert!((100..400).contains(&networks), "{networks}");
}

#[tokio::test(flavor = "multi_thread")]
async fn guesses_are_slowed_down_before_the_database_and_good_tokens_are_not() {
    let bench = Bench::new().await;
    let good = bench.token(HOUR).await;
    bench.identify(&good, "192.0.2.1").await.unwrap();
    let guess = unknown_token();
    for _ in 0..2000 {
        let refusal = bench.identify(&guess, "192.0.2.1").await.unwrap_err();
        if refusal.code == Code::TooManyRequests {
            break;
        }
    }
    // Nothing is remembered from before a change, and yet whoever was good does not wait.
    bench.change(&[]).await;
    bench.identify(&good, "192.0.2.1").await.unwrap();
    // Once it is bad, it waits like every other.
    bench.change(&["UPDATE token SET revoked_at = 1"]).await;
    for _ in 0..2000 {
        let refusal = bench.identify(&guess, "192.0.2.1").await.unwrap_err();
        if refusal.code == Code::TooManyRequests {
            break;
        }
    }
    let refusal = bench.identify(&good, "192.0.2.1").await.unwrap_err();
    assert!(matches!(refusal.code, Code::TooManyRequests | Code::TokenNotAccepted), "{refusal:?}");
    bench.store.clone().close().await;
    for token in [&good, &guess] {
        let codes = [0; 200].map(|_| bench.gate.pace().stranger(&from("192.0.2.1")));
        assert!(codes.iter().any(Result::is_err));
        let refusal = bench.identify(token, "192.0.2.1").await.unwrap_err();
        assert_eq!(refusal.code, Code::TooManyRequests, "the database was asked");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_starts_without_deciding_again_unless_something_changed() {
    let bench = Bench::new().await;
    let mut sending = bench.sending().await;
    assert!(sending.nothing_changed());
    bench.change(&[]).await;
    assert!(!sending.nothing_changed());
    bench.settled().await;
    assert!(sending.may_go_on().await && sending.nothing_changed());
    // Between the decision and the first byte.
    let token = bench.token(HOUR).await;
    let granted = bench.granted(&token).await;
    bench.change(&["UPDATE standing SET state = 'revoked'"]).await;
    let mut sending = granted.send();
    timeout(Duration::from_secs(2), sending.until_revoked()).await.unwrap();
    assert!(!sending.nothing_changed() && !sending.may_go_on().await);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_token_or_the_approval_does() {
    let bench = Bench::new().await;
    let token = bench.token(Duration::from_millis(1500)).await;
    let mut by_token = bench.granted(&token).await.send();
    let soon = clock::now().0 + 1_500_000;
    bench.change(&[&format!("UPDATE standing SET expires_at = {soon}")]).await;
    let mut by_approval = bench.sending().await;
    for sending in [&mut by_token, &mut by_approval] {
        let revoked = sending.until_revoked();
        timeout(Duration::from_secs(5), revoked).await.unwrap();
        assert!(!sending.nothing_changed() && !sending.may_go_on().await);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_approval_that_was_prolonged_goes_on() {
    let bench = Bench::new().await;
    let soon = clock::now().0 + 1_500_000;
    bench.change(&[&format!("UPDATE standing SET expires_at = {soon}")]).await;
    let mut sending = bench.sending().await;
    let revoked = sending.until_revoked();
    bench.change(&["UPDATE standing SET expires_at = NULL"]).await;
    assert!(timeout(Duration::from_secs(3), revoked).await.is_err());
    assert!(sending.may_go_on().await && sending.nothing_changed());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_that_does_not_answer_pauses_a_stream_and_does_not_cut_it() {
    let bench = Bench::new().await;
    let mut sending = bench.sending().await;
    bench.change(&[]).await;
    bench.store.clone().close().await;
    let revoked = sending.until_revoked();
    let (paused, kept) =
        tokio::join!(timeout(Duration::from_secs(1), sending.may_go_on()), timeout(Duration::from_secs(1), revoked));
    assert!(paused.is_err() && kept.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn one_caller_is_slowed_down_before_the_hub_and_our_own_work_is_not() {
    let bench = Bench::new().await;
    let (one, other) = (bench.token(HOUR).await, bench.token(HOUR).await);
    let one = bench.identify(&one, "192.0.2.1").await.unwrap();
    let other = bench.identify(&other, "192.0.2.1").await.unwrap();
    let passed = (0..1500).filter(|_| bench.gate.may_ask_upstream(&one).is_ok()).count();
    assert!((60..100).contains(&passed), "{passed}");
    bench.gate.may_ask_upstream(&other).unwrap();
    let work = Actor::work("test");
    assert!((0..1500).all(|_| bench.gate.may_ask_upstream(&work).is_ok()));
}
