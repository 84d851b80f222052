//! People sign in with a certified provider and a real browser: in, proved again, out, from either side.

use std::time::{Duration, Instant};

use crate::{
    provider::{Browser, Jar, Provider, SECRET},
    world::World,
};

#[tokio::test]
async fn a_person_signs_in_proves_it_again_and_signs_out_with_a_real_browser() {
    let provider = Provider::real();
    let world = provider.world(Vec::new()).await;
    provider.register(world.url()).await;
    let mut browser = Browser::start();
    let decision = refused(&world).await;

    // The link of a refusal leads through the provider to its reason.
    let asked = browser.open(&format!("{}/-/r/{decision}", world.url()));
    assert!(asked.url.contains("/-/sign-in?to="), "{}", asked.url);
    assert!(asked.text.contains("Sign in with corp"), "{}", asked.text);
    let there = browser.click("a.button");
    assert!(there.url.starts_with(&provider.issuer), "{}", there.url);
    let mut secrets = secrets_of(&there.url);
    let back = browser.sign_in_as("alice");
    assert_eq!(back.url, format!("{}/-/r/{decision}", world.url()), "{}", back.text);
    assert!(
        back.text.contains("weighbridge request show") && back.text.contains("does not reach the environment prod"),
        "{}",
        back.text
    );

    // A cookie that no script, no other host and no other path has.
    let cookie = browser.cookie("__Host-wb_sid").unwrap();
    assert_eq!(
        (&cookie["httpOnly"], &cookie["secure"], &cookie["sameSite"], &cookie["path"], &cookie["domain"]),
        (&true.into(), &true.into(), &"Lax".into(), &"/".into(), &"127.0.0.1".into()),
    );
    assert!(browser.cookie("__Host-wb_login").is_none());
    let first = cookie["value"].as_str().unwrap().to_owned();
    let account = browser.open(&format!("{}/-/account", world.url()));
    for word in ["alice", "reviewer in every environment", "developer in research", "ml-approvers", "This browser"] {
        assert!(account.text.contains(word), "{word} in {}", account.text);
    }

    // Other sites cannot sign her out, however they ask.
    foreign_sites_change_nothing(&world, &provider, &mut browser).await;

    // A step-up makes the session another one.
    let session = world.query_text("SELECT id FROM session").await.remove(0);
    let proved = world.query_text("SELECT CAST(authenticated_at AS TEXT) FROM session").await.remove(0);
    let asked = browser.open(&format!("{}/-/step-up?for={session}", world.url()));
    assert!(asked.text.contains("this browser's session"), "{}", asked.text);
    browser.click("#prove");
    let raised = browser.sign_in_as("alice");
    assert!(raised.url.ends_with("/-/account"), "{}: {}", raised.url, raised.text);
    let second = browser.cookie("__Host-wb_sid").unwrap()["value"].as_str().unwrap().to_owned();
    assert_ne!(first, second);
    assert!(!knows(&world, &first).await && knows(&world, &second).await);
    assert_ne!(world.query_text("SELECT CAST(authenticated_at AS TEXT) FROM session").await.remove(0), proved);

    // A token of hers is raised by name; nobody else's is even known.
    token_row(&world, "01JTOKENOFALICE00000000000", "(SELECT id FROM person)").await;
    token_row(&world, "01JTOKENOFSOMEBODY00000000", "'somebody'").await;
    let asked = browser.open(&format!("{}/-/step-up?for=01JTOKENOFSOMEBODY00000000", world.url()));
    assert!(asked.text.contains("no session or token of yours"), "{}", asked.text);
    let asked = browser.open(&format!("{}/-/step-up?for=01JTOKENOFALICE00000000000", world.url()));
    assert!(asked.text.contains("the personal token “laptop”"), "{}", asked.text);
    assert_eq!(world.query_text("SELECT credential_id FROM elevation").await, Vec::<String>::new());
    browser.click("#prove");
    browser.sign_in_as("alice");
    assert_eq!(world.query_text("SELECT credential_id FROM elevation").await, ["01JTOKENOFALICE00000000000"]);

    // Out here, and at the provider.
    browser.open(&format!("{}/-/account", world.url()));
    let out = browser.click("#sign-out");
    assert!(out.url.starts_with(&provider.issuer) && out.url.contains("/session/end"), "{}", out.url);
    secrets.extend(secrets_of(&out.url));
    let after = browser.click("button[name=logout]");
    assert_eq!(after.url.split('?').next().unwrap(), format!("{}/-/sign-in", world.url()));
    assert!(browser.cookie("__Host-wb_sid").is_none() && !knows(&world, &second).await);

    // At the provider: it tells us.
    browser.click("a.button");
    browser.sign_in_as("bob");
    let third = browser.cookie("__Host-wb_sid").unwrap()["value"].as_str().unwrap().to_owned();
    assert!(knows(&world, &third).await);
    browser.open(&format!("{}/session/end", provider.issuer));
    browser.click("button[name=logout]");
    let began = Instant::now();
    while knows(&world, &third).await {
        assert!(began.elapsed() < Duration::from_mins(1), "the provider's logout was not heard");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }

    let kinds = events(&world).await;
    for kind in ["session.begun", "session.elevated", "session.ended", "person.changed", "roles.changed"] {
        assert!(kinds.iter().any(|line| line.contains(kind)), "{kind}");
    }
    secrets.extend([first, second, third, SECRET.to_owned()]);
    nothing_of(&world, &secrets).await;
    world.ledger_is_whole().await;
}

/// Forms, requests of scripts and pictures on another site, with the browser of somebody who is signed in.
async fn foreign_sites_change_nothing(world: &World, provider: &Provider, browser: &mut Browser) {
    let before = events(world).await.iter().filter(|line| line.contains("session.ended")).count();
    let form = |host: &str| {
        format!(
            "(() => {{ const f = document.createElement('form'); f.method = 'post'; f.action = '{}/-/sign-out'; \
             const i = document.createElement('input'); i.name = 'csrf'; i.value = 'guess'; f.append(i); \
             document.body.append(f); f.submit(); }})()",
            world.url().replace("127.0.0.1", host)
        )
    };
    // Another port is another origin, but the same site: the cookie comes along.
    browser.open(&format!("{}/.well-known/openid-configuration", provider.issuer));
    let answer = browser.go(&form("127.0.0.1"));
    assert!(answer.text.contains("did not come from a page of this gateway"), "{}", answer.text);
    // Another site: it does not.
    browser.open(&format!("{}/jwks", provider.issuer.replace("127.0.0.1", "localhost")));
    let answer = browser.go(&form("127.0.0.1"));
    assert!(answer.text.contains("did not come from a page of this gateway"), "{}", answer.text);
    for script in ["method: 'post', mode: 'no-cors', credentials: 'include'", "mode: 'no-cors', credentials: 'include'"]
    {
        let url = format!("{}/-/sign-out", world.url());
        browser.run(&format!("fetch('{url}', {{ {script} }}).then(() => true, () => false)"));
    }
    let picture = format!(
        "new Promise(done => {{ const i = new Image(); i.onload = i.onerror = () => done(true); i.src = '{}/-/sign-out'; }})",
        world.url()
    );
    browser.run(&picture);
    let still = browser.open(&format!("{}/-/account", world.url()));
    assert!(still.text.contains("This browser"), "{}", still.text);
    let after = events(world).await.iter().filter(|line| line.contains("session.ended")).count();
    assert_eq!(before, after);

    // Every form of ours, as it would come from elsewhere: the answer is no, whatever it is about.
    let cookie = browser.cookie("__Host-wb_sid").unwrap()["value"].as_str().unwrap().to_owned();
    let cookie = format!("__Host-wb_sid={cookie}");
    for endpoint in weighbridge::routes::all().unwrap().iter().filter(|e| e.method == "POST" && e.act.is_some()) {
        if !endpoint.sample.starts_with("/-/") || endpoint.sample.starts_with("/-/api/") {
            continue;
        }
        for site in ["cross-site", "same-site", "none"] {
            let headers = [
                ("cookie", cookie.as_str()),
                ("sec-fetch-site", site),
                ("content-type", "application/x-www-form-urlencoded"),
            ];
            let reply = world.ask("POST", &endpoint.sample, "", &headers).await;
            assert!(matches!(reply.status, 401 | 403), "{site} {}: {}", endpoint.sample, reply.status);
        }
    }
}

#[tokio::test]
async fn a_provider_that_is_down_keeps_only_new_sign_ins_waiting() {
    let provider = Provider::real();
    let world = provider.world(Vec::new()).await;
    provider.register(world.url()).await;
    let mut browser = Browser::start();
    browser.open(&format!("{}/-/sign-in", world.url()));
    browser.click("a.button");
    browser.sign_in_as("alice");

    // Another key from here on: what it signs is asked about again.
    provider.set("rotate", serde_json::json!({})).await;
    provider.register(world.url()).await;
    browser.open(&format!("{}/-/oidc/corp/start", world.url()));
    let session = browser.cookie("__Host-wb_sid").unwrap()["value"].as_str().unwrap().to_owned();
    assert!(knows(&world, &session).await);

    let token = world.token("ci", "research").await;
    provider.set("down", serde_json::json!({"down": true})).await;
    assert!(knows(&world, &session).await);
    assert_eq!(world.get("/-/api/v1/account", &token).await.status, 200);
    // What it says about itself is still known here; whoever comes back from it has to wait.
    let jar = &mut Jar::default();
    let begun = jar.get(&format!("{}/-/oidc/corp/start", world.url())).await;
    let state = wire_state(begun.header("location"));
    let back = format!("{}/-/oidc/corp/callback?code=x&state={state}&iss={}", world.url(), provider.issuer);
    let waits = jar.get(&back).await;
    assert_eq!(waits.status, 503);
    assert!(waits.text().contains("corp does not answer, so new sign-ins with it wait"), "{}", waits.text());
    assert!(!jar.is_signed_in());
    drop(world);

    // And where nothing is known of it yet.
    let world = provider.world(Vec::new()).await;
    let waits = Jar::default().get(&format!("{}/-/oidc/corp/start", world.url())).await;
    assert_eq!(waits.status, 503);
    assert!(waits.text().contains("every token goes on"), "{}", waits.text());
    let token = world.token("ci", "research").await;
    assert_eq!(world.get("/-/api/v1/account", &token).await.status, 200);
}

/// The id of a refusal that was shown to somebody else.
async fn refused(world: &World) -> String {
    let token = world.token("ci", "research").await;
    let reply = world.ask("POST", "/-/api/v1/environments/prod/requests/models/acme/x/main", &token, &[]).await;
    assert_eq!(reply.status, 403, "{}", reply.text());
    reply.json()["decision"].as_str().unwrap().to_owned()
}

/// Whether a session's cookie still opens the account page.
pub async fn knows(world: &World, cookie: &str) -> bool {
    let cookie = format!("__Host-wb_sid={cookie}");
    let reply = world.ask("GET", "/-/account", "", &[("cookie", &cookie), ("accept", "text/html")]).await;
    assert!(matches!(reply.status, 200 | 303), "{}", reply.text());
    reply.status == 200
}

/// What a token helper would have made: a personal token of somebody.
async fn token_row(world: &World, id: &str, person: &str) {
    let far = 4_000_000_000_000_000_i64;
    world
        .change_row(&format!(
            "INSERT INTO token (id, hash, class, name, role, reach, person_id, created_at, created_by, expires_at) \
             VALUES ('{id}', '{id}', 'personal', 'laptop', '', '*', {person}, 0, 'test', {far})"
        ))
        .await;
}

/// All that the ledger says, an entry a line.
pub async fn events(world: &World) -> Vec<String> {
    let all = "SELECT CAST(body AS TEXT) FROM ledger_entry UNION ALL SELECT CAST(body AS TEXT) FROM ledger_pending";
    world.query_text(all).await
}

/// None of these was written anywhere that somebody may read.
pub async fn nothing_of(world: &World, secrets: &[String]) {
    let log = world.gateway.log();
    let ledger = events(world).await.join("\n");
    for secret in secrets.iter().filter(|secret| secret.len() >= 16) {
        assert!(!log.contains(secret.as_str()), "the log has {secret}");
        assert!(!ledger.contains(secret.as_str()), "the ledger has {secret}");
    }
}

/// State, nonce and whatever else an address carries that opens something.
fn secrets_of(url: &str) -> Vec<String> {
    let url = reqwest::Url::parse(url).unwrap();
    let wanted = ["state", "nonce", "code", "id_token_hint"];
    url.query_pairs().filter(|(key, _)| wanted.contains(&key.as_ref())).map(|(_, value)| value.into_owned()).collect()
}

fn wire_state(address: &str) -> String {
    let url = reqwest::Url::parse(address).unwrap();
    url.query_pairs().find(|(key, _)| key == "state").map(|(_, value)| value.into_owned()).unwrap()
}
