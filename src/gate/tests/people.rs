//! People at the gate: what their groups make of them, what ends it, what a scope takes away, and when they must prove
//! again who they are.

use super::*;
use crate::{
    domain::{
        mapping::{Mapping, MappingRow},
        role::{Held, Reach, Role},
        scope::Scopes,
        token::{Class, Shape, compose},
    },
    gate::{
        act::{ApproveRevision, CreateOwnToken, ReadAccount, ReadJobs},
        identity::{COOKIE, Credential},
        object::{Account, InEnvironment, Jobs},
    },
};

fn row(group: &str, role: Role, environments: &[&str]) -> MappingRow {
    let reach = match environments {
        ["*"] => Reach::All,
        names => Reach::These(names.iter().map(|name| Environment::new(name).unwrap()).collect()),
    };
    MappingRow { provider: Some("corp".to_owned()), group: group.to_owned(), role, reach }
}

fn identity() -> crate::gate::Identity {
    let rows = [
        row("ml", Role::Developer, &["research"]),
        row("ml-approvers", Role::Reviewer, &["prod"]),
        row("audit", Role::Auditor, &["*"]),
    ];
    crate::gate::Identity {
        mapping: Mapping(rows.to_vec()),
        people: true,
        fresh_for: Duration::from_mins(5),
        ..crate::gate::Identity::default()
    }
}

impl Bench {
    async fn person(&self, id: &str, groups_state: &str, groups: &[&str]) {
        self.change(&[&format!(
            "INSERT INTO person (id, issuer, subject, provider, name, made_by, groups_state, created_at, updated_at) \
             VALUES ('{id}', 'https://idp', 'sub-{id}', 'corp', 'Ann', 'sign-in', '{groups_state}', 0, 0)"
        )])
        .await;
        for group in groups {
            self.change(&[&format!("INSERT INTO person_group VALUES ('{id}', '{group}', 'claim')")]).await;
        }
    }

    async fn token_of(&self, person: &str, class: Class, reach: &str, scopes: Option<&str>) -> (String, String) {
        let random = clock::new_id().repeat(2).into_bytes();
        let text = compose(class, Shape::Own, &std::array::from_fn(|i| random[i % random.len()]));
        let id = self.token_row(&text, class.word(), Some(person), reach, scopes).await;
        (text, id)
    }

    async fn token_row(
        &self,
        text: &str,
        class: &str,
        person: Option<&str>,
        reach: &str,
        scopes: Option<&str>,
    ) -> String {
        let hash: String = identity::hash(text).iter().fold(String::new(), |all, byte| format!("{all}{byte:02x}"));
        let (id, ends) = (clock::new_id(), clock::now().plus_seconds(3600).0);
        let text = |value: Option<&str>| value.map_or_else(|| "NULL".to_owned(), |value| format!("'{value}'"));
        let (person, scopes) = (text(person), text(scopes));
        self.change(&[&format!(
            "INSERT INTO token (id, hash, class, name, role, reach, person_id, scopes, created_at, created_by, expires_at) \
             VALUES ('{id}', X'{hash}', '{class}', 'mine', '', '{reach}', {person}, {scopes}, 0, 'test', {ends})"
        )])
        .await;
        id
    }

    async fn session(&self, person: &str, used_at: Micros, proved_at: Micros) -> String {
        let cookie = clock::new_id();
        let hash: String = identity::hash(&cookie).iter().fold(String::new(), |all, byte| format!("{all}{byte:02x}"));
        let ends = clock::now().plus_seconds(36_000).0;
        self.change(&[&format!(
            "INSERT INTO session (id, hash, person_id, kind, csrf, authenticated_at, created_at, used_at, expires_at) \
             VALUES ('S{cookie}', X'{hash}', '{person}', 'oidc', 'c', {}, 0, {}, {ends})",
            proved_at.0, used_at.0
        )])
        .await;
        cookie
    }

    async fn by_session(&self, cookie: &str) -> Result<Actor, Refusal> {
        let value = HeaderValue::from_str(&format!("{COOKIE}={cookie}")).unwrap();
        self.gate.identify_session(&HeaderMap::from_iter([(header::COOKIE, value)]), &from("192.0.2.1")).await
    }

    async fn approve(&self, actor: Actor) -> Result<Granted<ApproveRevision>, Refusal> {
        let repo = RepoName::new(RepoKind::Model, "acme/tiny").unwrap();
        let at = Where::Named(Environment::new("prod").unwrap());
        self.gate.admit(actor, InEnvironment { at, repo, rev: Rev::new(COMMIT).unwrap() }, &from("192.0.2.1")).await
    }
}

fn held(actor: &Actor) -> Vec<(Role, String)> {
    actor.roles().iter().map(|Held { role, reach }| (*role, reach.to_string())).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn everybody_has_the_roles_of_their_groups_where_these_hold() {
    let bench = Bench::with(identity()).await;
    bench.person("ann", "known", &["ml", "ml-approvers", "role:admin", "ML"]).await;
    let (token, _) = bench.token_of("ann", Class::Personal, "*", None).await;
    let ann = bench.identify(&token, "192.0.2.1").await.unwrap();
    assert_eq!(held(&ann), [(Role::Developer, "research".to_owned()), (Role::Reviewer, "prod".to_owned())]);
    assert_eq!(bench.gate.home(&ann).map(Environment::as_str), Some("research"));
    assert_eq!(ann.kind(), "user");
    assert_eq!(ann.scopes(), &Scopes::Everything);
    // A token for production has what its owner has there, and nothing of elsewhere.
    let (token, _) = bench.token_of("ann", Class::Personal, "prod", None).await;
    let there = bench.identify(&token, "192.0.2.1").await.unwrap();
    assert_eq!(held(&there), [(Role::Reviewer, "prod".to_owned())]);
    assert_eq!(bench.gate.home(&there).map(Environment::as_str), Some("prod"));
    assert_eq!(ann.reference(), there.reference(), "one person, one reference");
    // What happens in no environment is decided where she may; a pull in her own environment alone.
    let call = from("192.0.2.1");
    bench.person("bob", "known", &["ml-approvers", "looks"]).await;
    let (token, _) = bench.token_of("bob", Class::Personal, "*", None).await;
    let bob = bench.identify(&token, "192.0.2.1").await.unwrap();
    assert_eq!(bench.gate.home(&bob).map(Environment::as_str), Some("prod"));
    assert!(
        bench.gate.admit::<ReadJobs>(ann, Jobs, &call).await.is_ok(),
        "a reviewer of prod, a developer of research"
    );
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_may_be_cut_short_give_no_role_and_pushed_ones_do() {
    let bench = Bench::with(identity()).await;
    bench.person("ann", "incomplete", &["ml", "ml-approvers"]).await;
    let (token, _) = bench.token_of("ann", Class::Device, "*", None).await;
    let actor = bench.identify(&token, "192.0.2.1").await.unwrap();
    assert!(actor.roles().is_empty());
    let refused = bench.gate.admit::<ReadAccount>(actor, Account, &from("192.0.2.1")).await.unwrap_err();
    assert_eq!(refused.code, Code::NotAllowed);
    bench
        .change(&[
            "INSERT INTO directory_group VALUES ('G', 'corp', 'ml-approvers', NULL, 0, 0)",
            "INSERT INTO directory_member VALUES ('G', 'ann')",
        ])
        .await;
    bench.settled().await;
    let actor = bench.identify(&token, "192.0.2.1").await.unwrap();
    assert_eq!(held(&actor), [(Role::Reviewer, "prod".to_owned())]);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_is_deactivated_is_out_with_all_they_hold() {
    let bench = Bench::with(identity()).await;
    bench.person("ann", "known", &["ml"]).await;
    let (token, _) = bench.token_of("ann", Class::Personal, "*", None).await;
    let session = bench.session("ann", clock::now(), clock::now()).await;
    bench.settled().await;
    assert!(bench.by_session(&session).await.is_ok());
    let sending = bench.granted(&token).await.send();
    assert!(timeout(Duration::from_millis(300), sending.until_revoked()).await.is_err(), "nothing has changed yet");
    bench.change(&["UPDATE person SET deactivated_at = 1 WHERE id = 'ann'"]).await;
    timeout(Duration::from_secs(30), sending.until_revoked()).await.unwrap();
    bench.settled().await;
    for refused in [bench.identify(&token, "192.0.2.1").await, bench.by_session(&session).await] {
        assert_eq!(refused.unwrap_err().code, Code::TokenNotAccepted);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_leaves_the_group_is_cut_off_in_the_middle() {
    let bench = Bench::with(identity()).await;
    bench.person("ann", "known", &["ml", "audit"]).await;
    let (token, _) = bench.token_of("ann", Class::Device, "*", None).await;
    bench.settled().await;
    let sending = bench.granted(&token).await.send();
    bench.change(&["DELETE FROM person_group WHERE group_name = 'audit'"]).await;
    assert!(
        timeout(Duration::from_millis(500), sending.until_revoked()).await.is_err(),
        "auditors pull nothing anyway"
    );
    bench.change(&["DELETE FROM person_group WHERE group_name = 'ml'"]).await;
    timeout(Duration::from_secs(30), sending.until_revoked()).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_scope_takes_away_and_a_refresh_token_opens_nothing() {
    let bench = Bench::with(identity()).await;
    bench.person("ann", "known", &["ml"]).await;
    let (narrow, _) = bench.token_of("ann", Class::Personal, "*", Some("read:repo:other/*")).await;
    let actor = bench.identify(&narrow, "192.0.2.1").await.unwrap();
    let repo = RepoName::new(RepoKind::Model, "acme/tiny").unwrap();
    let asked = FileAsked { repo, rev: Rev::new(COMMIT).unwrap(), path: FilePath::new("a.bin").unwrap() };
    let refused = bench.gate.admit::<PullFile>(actor.clone(), asked, &from("192.0.2.1")).await.unwrap_err();
    assert_eq!(refused.code, Code::NotAllowed);
    assert!(refused.sentence.contains("scopes"), "{}", refused.sentence);
    assert!(bench.gate.admit::<CreateOwnToken>(actor, Account, &from("192.0.2.1")).await.is_err());
    let (refresh, _) = bench.token_of("ann", Class::Refresh, "*", None).await;
    assert_eq!(bench.identify(&refresh, "192.0.2.1").await.unwrap_err().code, Code::TokenNotAccepted);
    // A row of another class than its prefix says is nobody's.
    let text = unknown_token();
    bench.token_row(&text, "personal", Some("ann"), "*", None).await;
    assert!(bench.identify(&text, "192.0.2.1").await.is_err());
}

#[tokio::test(flavor = "multi_thread")]
async fn approving_needs_a_person_who_has_just_proved_who_they_are() {
    let bench = Bench::with(identity()).await;
    bench.person("ann", "known", &["ml-approvers"]).await;
    let (token, id) = bench.token_of("ann", Class::Device, "*", None).await;
    let actor = bench.identify(&token, "192.0.2.1").await.unwrap();
    let refused = bench.approve(actor).await.unwrap_err();
    assert_eq!(refused.code, Code::StepUpRequired);
    assert!(refused.hint.contains(&format!("http://here/-/step-up?for={id}")), "{}", refused.hint);
    let long_ago = clock::now().plus_seconds(-301).0;
    for (at, fine) in [(long_ago, false), (clock::now().0, true)] {
        bench
            .change(&["DELETE FROM elevation", &format!("INSERT INTO elevation VALUES ('{id}', 'ann', {at}, NULL)")])
            .await;
        bench.settled().await;
        let actor = bench.identify(&token, "192.0.2.1").await.unwrap();
        assert_eq!(bench.approve(actor).await.is_ok(), fine);
    }
    // Somebody else's proof is not this person's.
    bench.change(&["UPDATE elevation SET person_id = 'bob'"]).await;
    bench.settled().await;
    let actor = bench.identify(&token, "192.0.2.1").await.unwrap();
    assert_eq!(bench.approve(actor).await.unwrap_err().code, Code::StepUpRequired);
    let session = bench.session("ann", clock::now(), clock::now()).await;
    let actor = bench.by_session(&session).await.unwrap();
    assert!(matches!(actor.credential(), Credential::Session { .. }));
    assert!(bench.approve(actor).await.is_ok());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_token_that_nobody_holds_personally_decides_only_while_nobody_can_sign_in() {
    for people in [false, true] {
        let bench = Bench::with(crate::gate::Identity { people, ..identity() }).await;
        let text = unknown_token();
        let id = bench.token_row(&text, "service", None, "*", None).await;
        bench.change(&[&format!("UPDATE token SET role = 'reviewer' WHERE id = '{id}'")]).await;
        bench.settled().await;
        let actor = bench.identify(&text, "192.0.2.1").await.unwrap();
        assert_eq!(bench.approve(actor).await.is_ok(), !people);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_ends_by_itself_and_when_it_is_ended() {
    let bench = Bench::with(identity()).await;
    bench.person("ann", "known", &["ml"]).await;
    let idle = bench.session("ann", clock::now().plus_seconds(-1801), clock::now()).await;
    assert_eq!(bench.by_session(&idle).await.unwrap_err().code, Code::TokenNotAccepted);
    let good = bench.session("ann", clock::now(), clock::now()).await;
    bench.settled().await;
    assert!(bench.by_session(&good).await.is_ok());
    // What is asked in it keeps it alive, and is written down once a minute.
    bench.gate.write_use().await;
    bench.change(&[&format!("UPDATE session SET used_at = {}", clock::now().plus_seconds(-1801).0)]).await;
    bench.settled().await;
    assert!(bench.by_session(&good).await.is_ok());
    assert!(bench.by_session(&idle).await.is_err());
    bench.change(&["UPDATE session SET ended_at = 1"]).await;
    bench.settled().await;
    assert_eq!(bench.by_session(&good).await.unwrap_err().code, Code::TokenNotAccepted);
    assert_eq!(bench.by_session("guess").await.unwrap_err().code, Code::TokenNotAccepted);
    // A cookie is no bearer token, and the other way round.
    assert_eq!(bench.identify(&good, "192.0.2.1").await.unwrap_err().code, Code::TokenNotAccepted);
    let (token, _) = bench.token_of("ann", Class::Personal, "*", None).await;
    bench.settled().await;
    assert!(bench.identify(&token, "192.0.2.1").await.is_ok());
    assert_eq!(bench.by_session(&token).await.unwrap_err().code, Code::TokenNotAccepted, "also when it is remembered");
}
