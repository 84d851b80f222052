//! What is wrong with what a provider says: each case is refused, each is an event, and none gives or ends a session.

use serde_json::{Value, json};

use crate::{
    provider::{Jar, Provider, SECRET},
    sign_in::{events, knows, nothing_of},
    wire::{self, Reply},
    world::World,
};

/// ID tokens, each with one thing wrong with it.
fn id_tokens(now: i64) -> Vec<(&'static str, Value)> {
    let claims = |name: &'static str, claims: Value| (name, json!({ "claims": claims }));
    vec![
        ("alg none", json!({"sign": "none"})),
        ("HS256 with the public key", json!({"sign": "hs"})),
        ("another key", json!({"sign": "other"})),
        ("an unknown key id", json!({"sign": "unknown"})),
        ("another algorithm named", json!({"header": {"alg": "RS512"}})),
        ("another type", json!({"header": {"typ": "logout+jwt"}})),
        ("no ID token", json!({"token": null})),
        claims("another issuer", json!({"iss": "https://login.example.com"})),
        claims("no issuer", json!({"iss": null})),
        claims("another audience", json!({"aud": "somebody-else"})),
        claims("no audience", json!({"aud": null})),
        claims("two audiences and no azp", json!({"aud": ["weighbridge", "somebody-else"]})),
        claims("another azp", json!({"azp": "somebody-else"})),
        claims("two audiences and another azp", json!({"aud": ["weighbridge", "b"], "azp": "b"})),
        claims("expired", json!({"exp": now - 61})),
        claims("no end", json!({"exp": null})),
        claims("made in the future", json!({"iat": now + 600})),
        claims("not valid yet", json!({"nbf": now + 600})),
        claims("no nonce", json!({"nonce": null})),
        claims("another nonce", json!({"nonce": "another"})),
        claims("no subject", json!({"sub": null})),
        claims("an empty subject", json!({"sub": ""})),
    ]
}

#[tokio::test]
async fn each_wrong_sign_in_is_refused_and_written_down() {
    let (provider, other) = (Provider::fake(), Provider::fake());
    let more = vec![
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__1__NAME", "other".to_owned()),
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__1__ISSUER", other.issuer.clone()),
        ("WEIGHBRIDGE_IDENTITY__PROVIDERS__1__CLIENT_ID", "weighbridge".to_owned()),
    ];
    let mut world = provider.world(more).await;
    let mut refused = 0;
    let mut wrong = Vec::new();
    let mut check = |name: &str, reply: &Reply, jar: &Jar| {
        refused += 1;
        if reply.status != 401 || jar.is_signed_in() {
            wrong.push(format!("{name}: {} {}", reply.status, reply.text()));
        }
    };
    for (name, mode) in id_tokens(now()) {
        provider.set("mode", mode).await;
        let mut jar = Jar::default();
        check(name, &jar.sign_in(&world).await, &jar);
    }
    for (name, answer) in [
        ("another provider's name", json!({"iss": other.issuer})),
        ("no name", json!({"iss": null})),
        ("an error", json!({"error": "access_denied", "code": null})),
        ("no code", json!({"code": null})),
        ("an unknown code", json!({"code": "canary-code-of-nobody"})),
        ("no state", json!({"state": null})),
        ("an unknown state", json!({"state": "0".repeat(64)})),
    ] {
        provider.set("mode", json!({ "answer": answer })).await;
        let mut jar = Jar::default();
        check(name, &jar.sign_in(&world).await, &jar);
    }
    provider.set("mode", json!({})).await;

    let mut one = Jar::default();
    let back = one.up_to_callback(&world).await;
    let mut another = Jar::default();
    another.up_to_callback(&world).await;
    check("another browser's state", &another.get(&back).await, &another);
    check("a state without its browser", &Jar::default().get(&back).await, &Jar::default());
    let mixed = back.replace("/-/oidc/corp/", "/-/oidc/other/");
    check("another provider's way back", &one.clone().get(&mixed).await, &Jar::default());
    let before = one.clone();
    assert_eq!(one.get(&back).await.status, 303);
    assert!(one.is_signed_in());
    check("the same answer twice", &before.clone().get(&back).await, &Jar::default());
    let code = parameter(&back, "code");
    let mut again = Jar::default();
    let fresh = again.up_to_callback(&world).await;
    let fresh = fresh.replace(&parameter(&fresh, "code"), &code);
    check("a code twice", &again.get(&fresh).await, &again);
    assert_eq!(wrong, Vec::<String>::new());
    assert_eq!(world.query_text("SELECT id FROM session").await.len(), 1);

    // However it was asked for, the way back after signing in stays here.
    for to in ["https://evil.example/", "//evil.example/-/", "/-/../../evil", "/-/\\evil", "/a", "/-/oidc/corp/start"] {
        let mut jar = Jar::default();
        let to: String = url_encoded(to);
        let begun = jar.get(&format!("{}/-/oidc/corp/start?to={to}", world.url())).await;
        let back = wire::ask("GET", begun.header("location"), "", &[]).await.unwrap();
        let came = jar.get(back.header("location")).await;
        assert_eq!((came.status, came.header("location")), (303, "/-/account"), "{to}");
    }

    let secrets =
        [SECRET, "canary-access-token", one.value("__Host-wb_sid").unwrap(), &code, &parameter(&back, "state")];
    let secrets: Vec<String> = secrets.iter().map(|&secret| secret.to_owned()).collect();
    world.gateway.stop().await;
    assert_eq!(failures(&world).await, refused);
    nothing_of(&world, &secrets).await;
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn a_step_up_is_only_as_good_as_its_proof() {
    let provider = Provider::fake();
    let world = provider.world(vec![("WEIGHBRIDGE_IDENTITY__ACR", "urn:test:mfa".to_owned())]).await;
    let mut jar = Jar::default();
    assert_eq!(jar.sign_in(&world).await.status, 303);
    let before = jar.value("__Host-wb_sid").unwrap().to_owned();
    for (name, claims) in [
        ("nothing about when", json!({"auth_time": null, "acr": "urn:test:mfa"})),
        ("too long ago", json!({"auth_time": now() - 300, "acr": "urn:test:mfa"})),
        ("in the future", json!({"auth_time": now() + 600, "acr": "urn:test:mfa"})),
        ("worth too little", json!({"acr": "urn:test:password"})),
        ("nothing about its worth", json!({})),
        ("somebody else", json!({"sub": "mallory", "acr": "urn:test:mfa"})),
    ] {
        provider.set("mode", json!({ "claims": claims })).await;
        let reply = step_up(&world, &mut jar).await;
        assert_eq!(reply.status, 401, "{name}: {}", reply.text());
        assert_eq!(jar.value("__Host-wb_sid"), Some(before.as_str()), "{name}");
    }
    assert!(events(&world).await.iter().all(|event| !event.contains("session.elevated")));
    provider.set("mode", json!({"claims": {"acr": "urn:test:mfa"}})).await;
    assert_eq!(step_up(&world, &mut jar).await.status, 303);
    let after = jar.value("__Host-wb_sid").unwrap().to_owned();
    assert_ne!(before, after);
    assert!(!knows(&world, &before).await && knows(&world, &after).await);
    assert_eq!(world.query_text("SELECT acr FROM session").await, ["urn:test:mfa"]);
}

#[tokio::test]
async fn only_a_right_logout_token_ends_a_session() {
    let provider = Provider::fake();
    let mut world = provider.world(Vec::new()).await;
    provider.set("mode", json!({"claims": {"sid": "first"}})).await;
    let (mut first, mut second) = (Jar::default(), Jar::default());
    first.sign_in(&world).await;
    provider.set("mode", json!({"claims": {"sid": "second"}})).await;
    second.sign_in(&world).await;
    let event = "http://schemas.openid.net/event/backchannel-logout";
    let wrong = [
        ("alg none", json!({"sign": "none"})),
        ("HS256 with the public key", json!({"sign": "hs"})),
        ("another key", json!({"sign": "other"})),
        ("an unknown key id", json!({"sign": "unknown"})),
        ("another type", json!({"header": {"typ": "at+jwt"}})),
        ("another issuer", json!({"claims": {"iss": "https://login.example.com"}})),
        ("another audience", json!({"claims": {"aud": "somebody-else"}})),
        ("expired", json!({"claims": {"exp": now() - 120}})),
        ("no end", json!({"claims": {"exp": null}})),
        ("too old", json!({"claims": {"iat": now() - 600}})),
        ("made in the future", json!({"claims": {"iat": now() + 600}})),
        ("a nonce", json!({"claims": {"nonce": "n"}})),
        ("no events", json!({"claims": {"events": null}})),
        ("other events", json!({"claims": {"events": {"other": {}}}})),
        ("an event that is no object", json!({"claims": {"events": {event: true}}})),
        ("nobody", json!({"claims": {"sub": null}})),
        ("no id", json!({"claims": {"jti": null}})),
    ];
    let mut refused = 0;
    for (name, wanted) in wrong {
        let reply = signed_out(&world, &logout_token(&provider, wanted).await).await;
        assert_eq!((reply.status, reply.header("cache-control")), (400, "no-store"), "{name}: {}", reply.text());
        refused += 1;
    }
    let id_token_shaped = signed_out(&world, "not.a.token").await;
    assert_eq!(id_token_shaped.status, 400);
    refused += 1;
    assert!(is_known(&world, &first).await && is_known(&world, &second).await);

    // A session that nobody has here is signed out of already; somebody else's name does not end hers.
    for claims in [json!({"sid": "unknown"}), json!({"sub": "nobody"}), json!({"sub": "nobody", "sid": "first"})] {
        let token = logout_token(&provider, json!({ "claims": claims })).await;
        let reply = signed_out(&world, &token).await;
        assert_eq!((reply.status, &reply.json()["ended"]), (200, &json!(0)), "{claims}");
    }
    assert!(is_known(&world, &first).await);

    let token = logout_token(&provider, json!({"claims": {"sid": "first", "sub": null}})).await;
    let reply = signed_out(&world, &token).await;
    assert_eq!((reply.status, reply.header("cache-control")), (200, "no-store"), "{}", reply.text());
    assert!(!is_known(&world, &first).await && is_known(&world, &second).await);
    assert_eq!(signed_out(&world, &token).await.status, 400, "the same token again");
    refused += 1;
    let token = logout_token(&provider, json!({})).await;
    assert_eq!(signed_out(&world, &token).await.json()["ended"], 1);
    assert!(!is_known(&world, &second).await);
    // Whoever comes with the cookie of a session that was ended is counted too: twice above.
    refused += 2;

    world.gateway.stop().await;
    assert_eq!(failures(&world).await, refused);
    nothing_of(&world, &[token]).await;
}

#[tokio::test]
async fn groups_that_may_be_cut_short_give_no_role() {
    let provider = Provider::fake();
    let mut world = provider.world(Vec::new()).await;
    let many: Vec<String> = (0..99).map(|n| format!("g{n}")).chain(["staff".to_owned()]).collect();
    let overage =
        json!({"groups": null, "_claim_names": {"groups": "src1"}, "_claim_sources": {"src1": {"endpoint": "x"}}});
    let none = "nobody has given you a role";
    for (name, claims, says) in [
        ("a list", json!({}), ["developer in research", "staff"]),
        ("a text", json!({"groups": "staff"}), ["developer in research", "staff"]),
        ("another spelling", json!({"groups": ["Staff", "/staff", "staff "]}), [none, "/staff"]),
        ("somewhere else", overage, [none, "did not say all of your groups"]),
        ("a sign of more", json!({"groups": null, "hasgroups": true}), [none, "did not say all of your groups"]),
        ("as many as are sent at most", json!({"groups": many}), [none, "did not say all of your groups"]),
        ("nothing", json!({"groups": null}), [none, "said nothing about groups"]),
    ] {
        provider.set("mode", json!({ "claims": claims })).await;
        let mut jar = Jar::default();
        assert_eq!(jar.sign_in(&world).await.status, 303, "{name}");
        let page = jar.get(&format!("{}/-/account", world.url())).await.text();
        for word in says {
            assert!(page.contains(word), "{name}: {word} in {page}");
        }
        let asked = jar.get(&format!("{}/-/r/01JD0000000000000000000000", world.url())).await.status;
        assert_eq!(asked, if says[0] == none { 403 } else { 404 }, "{name}");
    }
    assert_eq!(world.query_text("SELECT id FROM person").await.len(), 1, "one subject is one person");

    // Somebody whom the directory pushed keeps their row, and somebody deactivated stays out.
    let columns = "id, issuer, subject, provider, name, external_id, made_by, groups_state, created_at, updated_at";
    let values = "'01JPUSHED', 'scim', 'p', 'corp', 'Pushed Person', 'pushed-1', 'scim', 'absent', 0, 0";
    world.change_row(&format!("INSERT INTO person ({columns}) VALUES ({values})")).await;
    provider.set("mode", json!({"claims": {"sub": "pushed-1", "name": "Other"}})).await;
    let mut jar = Jar::default();
    assert_eq!(jar.sign_in(&world).await.status, 303);
    assert!(jar.get(&format!("{}/-/account", world.url())).await.text().contains("Pushed Person"));
    assert_eq!(world.query_text("SELECT id FROM person WHERE subject = 'pushed-1'").await, ["01JPUSHED"]);
    world.change_row("UPDATE person SET deactivated_at = 1 WHERE id = '01JPUSHED'").await;
    let mut late = Jar::default();
    let refused = late.sign_in(&world).await;
    assert!(refused.status == 401 && refused.text().contains("deactivated"), "{}", refused.text());

    // What the configuration says of groups is written down when it changes, and only then.
    let changes = async |world: &World| events(world).await.iter().filter(|e| e.contains("roles.changed")).count();
    assert_eq!(changes(&world).await, 1);
    world.restart().await;
    assert_eq!(changes(&world).await, 1);
    world.gateway.set("WEIGHBRIDGE_IDENTITY__ROLES__1__ROLE", "auditor");
    world.restart().await;
    assert_eq!(changes(&world).await, 2);
    let last = events(&world).await.into_iter().rfind(|e| e.contains("roles.changed")).unwrap();
    assert!(last.contains("staff\\tdeveloper") && last.contains("staff\\tauditor"), "{last}");
}

/// Asks to prove it again, as the page's form does, and comes back with what the provider said.
async fn step_up(world: &World, jar: &mut Jar) -> Reply {
    let id = world.query_text("SELECT id FROM session").await.remove(0);
    let page = jar.get(&format!("{}/-/step-up?for={id}", world.url())).await.text();
    let csrf = between(&page, "name=\"csrf\" value=\"", "\"");
    let form = format!("csrf={csrf}&for={id}&to=");
    let request = wire::client()
        .post(format!("{}/-/step-up", world.url()))
        .header("cookie", jar.line())
        .header("sec-fetch-site", "same-origin")
        .header("content-type", "application/x-www-form-urlencoded")
        .body(form);
    let reply = request.send().await.unwrap();
    let reply = Reply {
        status: reply.status().as_u16(),
        headers: reply.headers().clone(),
        body: reply.bytes().await.unwrap().to_vec(),
    };
    assert_eq!(reply.status, 200, "{}", reply.text());
    jar.keep(&reply);
    let address = between(&reply.text(), "content=\"0;url=", "\"").replace("&#38;", "&").replace("&amp;", "&");
    assert!(
        address.contains("prompt=login") && address.contains("max_age=0") && address.contains("acr_values="),
        "{address}"
    );
    let back = wire::ask("GET", &address, "", &[]).await.unwrap();
    jar.get(back.header("location")).await
}

async fn logout_token(provider: &Provider, wanted: Value) -> String {
    provider.set("logout-token", wanted).await["token"].as_str().unwrap().to_owned()
}

async fn signed_out(world: &World, token: &str) -> Reply {
    let asked = wire::client()
        .post(format!("{}/-/oidc/corp/backchannel-logout", world.url()))
        .form(&[("logout_token", token)])
        .send()
        .await
        .unwrap();
    Reply {
        status: asked.status().as_u16(),
        headers: asked.headers().clone(),
        body: asked.bytes().await.unwrap().to_vec(),
    }
}

async fn is_known(world: &World, jar: &Jar) -> bool {
    knows(world, jar.value("__Host-wb_sid").unwrap()).await
}

/// How many failed sign-ins the ledger tells of.
async fn failures(world: &World) -> u64 {
    let failed = events(world).await.into_iter().filter(|event| event.contains("\"auth.failed\""));
    failed.map(|event| serde_json::from_str::<Value>(&event).unwrap()["count"]["times"].as_u64().unwrap_or(1)).sum()
}

fn parameter(url: &str, name: &str) -> String {
    let url = reqwest::Url::parse(url).unwrap();
    url.query_pairs().find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap()
}

fn url_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |all, byte| format!("{all}%{byte:02X}"))
}

fn between(text: &str, start: &str, end: &str) -> String {
    let rest = text.split_once(start).unwrap_or_else(|| panic!("no {start} in {text}")).1;
    rest.split_once(end).unwrap().0.to_owned()
}

fn now() -> i64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(since.as_secs()).unwrap()
}
