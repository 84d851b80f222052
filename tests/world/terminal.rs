//! Signing in from a terminal: unmodified `hf auth login` against the gateway, and what the codes and tokens behind it can
//! and cannot do.

use std::{path::Path, time::Duration};

use serde_json::{Value, json};

use crate::{
    signed_in::{SECRET, now, pair},
    stock::{Desk, HUBS, run, tool},
    world::{World, WorldOptions, files_under},
};

async fn world() -> World {
    World::of_people(WorldOptions::default()).await
}

/// A command in a pseudo-terminal at this desk.
async fn at_a_terminal(desk: &Desk, venv: &str, mut input: Value) -> Value {
    let first = input["words"][0].as_str().unwrap().to_owned();
    input["words"][0] = json!(tool(venv, &first));
    let mut command = desk.at(&tool(venv, "python"));
    command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/clients/terminal.py")).arg(input.to_string());
    run(command, Duration::from_mins(4)).await.good().json()
}

#[tokio::test]
async fn hf_auth_login_signs_in_pulls_and_renews_itself() {
    let world = world().await;
    world.approve_as_reviewer("acme/tiny@main").await;
    let ada = world.person("ada", &["developer"]).await;
    let venv = HUBS[2];
    let desk = Desk::with(world.url(), "");
    let login = json!({
        "words": ["hf", "auth", "login"], "cookie": ada.cookie, "keys": [["Log in with your browser", "\r"]],
    });
    let seen = at_a_terminal(&desk, venv, login).await;
    let shown = seen["seen"].as_str().unwrap();
    assert!(seen["code"] == 0 && shown.contains("Login successful"), "{seen}");
    let (asked, done) = (seen["pages"][0].as_str().unwrap(), seen["pages"][1].as_str().unwrap());
    for words in
        ["Is this your terminal?", "as ada", "the same address as this browser", "Allow it only if you started it"]
    {
        assert!(asked.contains(words), "{words}: {asked}");
    }
    assert!(done.contains("The terminal is signed in"), "{done}");
    let who = desk.hf(venv, &["auth", "whoami"]).await.good();
    assert!(who.out.contains("ada") && who.out.contains("research"), "{}", who.out);
    let pulled = desk.hf(venv, &["download", "acme/tiny", "config.json"]).await.good();
    assert!(pulled.out.contains("config.json"), "{}", pulled.out);

    // A token with less than a day left is renewed by whichever process sees it, four at a time on one home folder.
    let stored = desk.home().join("hf/stored_tokens");
    let before = std::fs::read_to_string(desk.home().join("hf/token")).unwrap();
    let text = std::fs::read_to_string(&stored).unwrap();
    let soon = now() / 1_000_000 + 3600;
    let lines = text.lines().map(|line| match line.split_once('=') {
        Some((key, _)) if key.trim() == "expires_at" => format!("expires_at = {soon}\n"),
        _ => format!("{line}\n"),
    });
    std::fs::write(&stored, lines.collect::<String>()).unwrap();
    let words = ["auth", "whoami"];
    let four = tokio::join!(desk.hf(venv, &words), desk.hf(venv, &words), desk.hf(venv, &words), desk.hf(venv, &words));
    for who in [four.0, four.1, four.2, four.3] {
        assert!(who.good().out.contains("ada"));
    }
    let after = std::fs::read_to_string(desk.home().join("hf/token")).unwrap();
    assert!(before != after && after.starts_with("wbgd_"), "the token was renewed");
    assert!(world.entries("token.refreshed").await >= 1);
    desk.hf(venv, &["download", "acme/tiny", "model.safetensors"]).await.good();

    // Signed out everywhere, the terminal pulls nothing and cannot renew itself.
    world.api_command(&["my-token", "sign-out"], after.trim()).await.good();
    assert_eq!(world.get("/api/whoami-v2", after.trim()).await.status, 401);
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn a_person_who_denies_ends_the_sign_in() {
    let world = world().await;
    let ada = world.person("ada", &["developer"]).await;
    let desk = Desk::with(world.url(), "");
    let login = json!({
        "words": ["hf", "auth", "login"], "cookie": ada.cookie, "answer": "deny", "keys": [["Log in with your browser", "\r"]],
    });
    let seen = at_a_terminal(&desk, HUBS[2], login).await;
    assert!(seen["code"] != 0 && seen["seen"].as_str().unwrap().contains("denied"), "{seen}");
    assert!(seen["pages"][1].as_str().unwrap().contains("The terminal was refused"), "{seen}");
}

#[tokio::test]
async fn a_pasted_token_signs_older_clients_in() {
    let world = world().await;
    let ada = world.person("ada", &["developer"]).await;
    let signed_in = world.terminal(&ada).await.access;
    let made = world.api_command(&["my-token", "create", "--name", "laptop"], &signed_in).await.good();
    let token = made.out.trim().to_owned();
    for venv in &HUBS[..2] {
        let desk = Desk::with(world.url(), "");
        let keys = json!([["will not be visible", format!("{token}\r")], ["git credential", "n\r"]]);
        let seen = at_a_terminal(&desk, venv, json!({"words": ["hf", "auth", "login"], "keys": keys})).await;
        let shown = seen["seen"].as_str().unwrap();
        assert!(seen["code"] == 0 && shown.contains("Login successful") && shown.contains("laptop"), "{venv}: {seen}");
        assert!(!shown.contains(&token), "{venv}: the token is on the screen");
        let who = desk.hf(venv, &["auth", "whoami"]).await.good();
        assert!(who.out.contains("ada") && who.out.contains("research"), "{venv}: {}", who.out);
    }
}

#[tokio::test]
async fn a_code_is_answered_by_a_form_of_its_reader_and_taken_once() {
    let world = world().await;
    let ada = world.person("ada", &["developer"]).await;
    let begun = world.device().await;
    let (device, user) = (begun["device_code"].as_str().unwrap(), begun["user_code"].as_str().unwrap());
    let page = format!("{}/-/device", world.url());
    assert_eq!(begun["verification_uri"], page);
    assert_eq!(begun["verification_uri_complete"], format!("{page}?user_code={user}"));
    assert_eq!((begun["interval"].as_i64(), begun["expires_in"].as_i64()), (Some(5), Some(600)));
    let hasty = world.device().await;
    let hasty = hasty["device_code"].as_str().unwrap();
    let told = world.poll_device(hasty).await;
    assert_eq!((told.status, &told.json()["error"]), (400, &json!("authorization_pending")));
    let told = world.poll_device(hasty).await;
    assert_eq!((told.status, &told.json()["error"]), (400, &json!("slow_down")), "asked again at once");

    // Opening the link answers nothing, nor does a form that another site makes the browser send.
    let cookie = format!("__Host-wb_sid={}", ada.cookie);
    let path = format!("/-/device?user_code={user}&answer=allow");
    let opened = world.ask("GET", &path, "", &[("cookie", &cookie)]).await;
    assert!(opened.status == 200 && opened.text().contains("Is this your terminal?"), "{}", opened.text());
    assert!(opened.header("content-security-policy").contains("frame-ancestors 'none'"));
    let unsigned = world.ask("GET", &path, "", &[]).await;
    assert_eq!(unsigned.status, 303, "who is not signed in signs in first");
    let forged = [("csrf", ada.csrf.as_str()), ("user_code", user), ("answer", "allow")];
    for headers in [
        vec![("cookie", cookie.as_str()), ("sec-fetch-site", "cross-site")],
        vec![("cookie", cookie.as_str()), ("origin", "https://evil.example")],
        vec![("cookie", cookie.as_str())],
    ] {
        assert_eq!(world.send_form("/-/device", &forged, &headers).await.status, 403, "{headers:?}");
    }
    let own = [("cookie", cookie.as_str()), ("sec-fetch-site", "same-origin")];
    let guessed = [("csrf", "guessed"), ("user_code", user), ("answer", "allow")];
    assert_eq!(world.send_form("/-/device", &guessed, &own).await.status, 403, "the page's own word is missing");
    assert!(world.query_text("SELECT id FROM device_sign_in WHERE answer IS NOT NULL").await.is_empty());

    // Typed as people type, looked at, allowed; a second answer finds nobody waiting.
    let typed = user.replace('-', " ").to_lowercase();
    let looked = world.answer_device(&ada, &typed, "").await;
    assert!(looked.text().contains("Is this your terminal?") && looked.text().contains("127.0.0.1"));
    assert!(world.answer_device(&ada, &typed, "allow").await.text().contains("is signed in"));
    assert!(world.answer_device(&ada, user, "deny").await.text().contains("No terminal waits with that code"));
    let taken = world.poll_device(device).await;
    let terminal = pair(&taken);
    assert!(terminal.access.starts_with("wbgd_") && terminal.refresh.starts_with("wbgr_"), "{}", taken.text());
    assert_eq!(taken.json()["expires_in"], 48 * 3600);
    assert_eq!(taken.header("cache-control"), "no-store");
    // As long as a terminal waits between its questions.
    tokio::time::sleep(Duration::from_secs(6)).await;
    let again = world.poll_device(device).await;
    assert_eq!((again.status, &again.json()["error"]), (400, &json!("invalid_grant")), "a code is taken once");

    // Late, unknown, refused, and people who are gone.
    let late = world.device().await;
    let newest = world.query_text("SELECT id FROM device_sign_in ORDER BY id DESC").await.remove(0);
    world.change_row(&format!("UPDATE device_sign_in SET expires_at = {} WHERE id = '{}'", now(), newest)).await;
    assert!(
        world.answer_device(&ada, late["user_code"].as_str().unwrap(), "allow").await.text().contains("No terminal")
    );
    let late = world.poll_device(late["device_code"].as_str().unwrap()).await;
    assert_eq!(late.json()["error"], "expired_token");
    assert_eq!(world.poll_device(&"x".repeat(43)).await.json()["error"], "invalid_grant");
    let other = world.device().await;
    world.answer_device(&ada, other["user_code"].as_str().unwrap(), "allow").await;
    let code = other["device_code"].as_str().unwrap();
    let other = [("grant_type", GRANT), ("device_code", code), ("client_id", "another")];
    let other = world.send_form("/oauth/token", &other, &[]).await;
    assert_eq!((other.status, &other.json()["error"]), (400, &json!("invalid_grant")), "another client's code");
    let leaver = world.device().await;
    world.answer_device(&ada, leaver["user_code"].as_str().unwrap(), "allow").await;
    world.change_row(&format!("UPDATE person SET deactivated_at = {} WHERE id = '{}'", now(), ada.id)).await;
    let leaver = world.poll_device(leaver["device_code"].as_str().unwrap()).await;
    assert_eq!(leaver.json()["error"], "access_denied");
    assert_eq!(world.entries("device.answered").await, 3);
    assert_eq!(world.entries("token.created").await, 1);
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn a_refresh_token_is_good_for_two_minutes_more_and_then_ends_the_sign_in() {
    let world = world().await;
    let ada = world.person("ada", &["developer"]).await;
    let (first, other) = (world.terminal(&ada).await, world.terminal(&ada).await);
    let renewed = world.renew(&first.refresh).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    let (second, sibling) = (pair(&renewed), pair(&world.renew(&first.refresh).await));
    for token in [&first.access, &second.access, &sibling.access] {
        assert_eq!(world.get("/api/whoami-v2", token).await.status, 200, "processes that share a file all go on");
    }
    // Two minutes later the same refresh token is in two hands: the whole sign-in ends, with all that came of it.
    let past = now() - 121_000_000;
    let moved = format!("UPDATE token SET replaced_at = {past} WHERE replaced_at IS NOT NULL");
    world.change_row(&moved).await;
    let reused = world.renew(&first.refresh).await;
    assert_eq!((reused.status, &reused.json()["error"]), (400, &json!("invalid_grant")));
    for token in [&first.access, &second.access, &sibling.access] {
        assert_eq!(world.get("/api/whoami-v2", token).await.status, 401);
    }
    for refresh in [&second.refresh, &sibling.refresh, &first.refresh] {
        assert_eq!(world.renew(refresh).await.json()["error"], "invalid_grant");
    }
    assert_eq!(world.get("/api/whoami-v2", &other.access).await.status, 200, "another terminal goes on");
    assert_eq!(world.entries("token.reused").await, 1);
    let list = world.get("/-/api/v1/tokens", &other.access).await.json();
    let why =
        list["tokens"].as_array().unwrap().iter().filter(|one| one["ended_why"] == "a refresh token was used twice");
    assert_eq!(why.count(), 3, "{list}");

    // What is quiet for a month, and who is gone, renews nothing.
    let idle = format!("UPDATE token SET expires_at = {} WHERE class = 'refresh' AND revoked_at IS NULL", now());
    world.change_row(&idle).await;
    assert_eq!(world.renew(&other.refresh).await.json()["error"], "invalid_grant");
    let last = world.terminal(&ada).await;
    world.change_row(&format!("UPDATE person SET deactivated_at = {} WHERE id = '{}'", now(), ada.id)).await;
    assert_eq!(world.renew(&last.refresh).await.json()["error"], "invalid_grant");
    for strange in ["", "wbgr_x", &last.access, "hf_something"] {
        assert_eq!(world.renew(strange).await.json()["error"], "invalid_grant", "{strange}");
    }
    world.ledger_is_whole().await;
}

#[tokio::test]
async fn codes_tokens_and_cookies_are_nowhere_to_be_read() {
    let settings = vec![("WEIGHBRIDGE_LOG", "debug".to_owned())];
    let mut world = World::of_people(WorldOptions { settings, ..WorldOptions::default() }).await;
    let ada = world.person("ada", &["developer"]).await;
    let begun = world.device().await;
    let user = begun["user_code"].as_str().unwrap();
    let device = begun["device_code"].as_str().unwrap().to_owned();
    let cookie = format!("__Host-wb_sid={}", ada.cookie);
    let page = world.ask("GET", &format!("/-/device?user_code={user}"), "", &[("cookie", &cookie)]).await;
    let mut answers = page.text().replace(user, "").replace(&ada.csrf, "");
    world.answer_device(&ada, user, "allow").await;
    let terminal = pair(&world.poll_device(&device).await);
    let renewed = pair(&world.renew(&terminal.refresh).await);
    let made = world.send_json("/-/api/v1/tokens", &renewed.access, &json!({"name": "script"})).await.json();
    let personal = made["token"].as_str().unwrap().to_owned();
    for (path, token) in [("/api/whoami-v2", &personal), ("/-/api/v1/tokens", &personal), ("/-/device", &personal)] {
        answers += &world.get(path, token).await.text();
    }
    answers += &world.poll_device(&device).await.text();
    answers += &world.renew(&personal).await.text();
    answers += &world.send_json("/api/credentials/revoke", "", &json!({"credentials": [personal]})).await.text();
    answers += &world.get("/api/whoami-v2", &personal).await.text();
    answers += &world.gateway.command(&["token", "list", "--json"], &[]).await.all();
    assert_eq!(world.gateway.stop().await, Some(0));
    let letters = user.replace('-', "");
    let secrets = [
        user,
        &letters,
        &device,
        &terminal.access,
        &terminal.refresh,
        &renewed.access,
        &renewed.refresh,
        &personal,
        &ada.cookie,
        SECRET,
    ];
    let mut places = vec![("answers".to_owned(), answers.into_bytes()), ("log".to_owned(), world.gateway.log().into())];
    for file in files_under(&world.folder.path().join("data")) {
        places.push((file.display().to_string(), std::fs::read(&file).unwrap()));
    }
    assert!(places.iter().any(|(name, bytes)| name.contains("weighbridge.db") && bytes.len() > 10_000));
    assert!(places.iter().any(|(name, bytes)| name == "log" && !bytes.is_empty()));
    for (place, bytes) in &places {
        for (n, secret) in secrets.iter().enumerate() {
            let found = bytes.windows(secret.len()).any(|part| part == secret.as_bytes());
            assert!(!found, "secret {n} can be read in {place}");
        }
    }
}

#[tokio::test]
async fn nobody_signs_in_where_no_provider_is() {
    let world = World::bare().await;
    let reply = world.send_form("/oauth/device", &[("client_id", "hf")], &[]).await;
    assert!(reply.status == 403 && reply.text().contains("no identity provider is configured"), "{}", reply.text());
    let exchange = [("grant_type", "password")];
    let reply = world.send_form("/oauth/token", &exchange, &[]).await;
    assert_eq!((reply.status, &reply.json()["error"]), (400, &json!("unsupported_grant_type")));
    assert_eq!(world.send_form("/oauth/token", &[], &[]).await.json()["error"], "invalid_request");
}

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";
