//! The commands as people and scripts use them: what they print, what they end with, and what they never do.

use std::{
    io::{BufRead, BufReader},
    os::unix::fs::PermissionsExt,
    process::Stdio,
};

use crate::world::{Folder, World};

#[tokio::test]
async fn a_request_leads_to_an_approval() {
    let world = World::new().await;
    let (developer, reviewer) = (world.developer().await, world.token("reviewer", "").await);
    let path = "/acme/tiny/resolve/main/config.json";
    let refused = world.get(path, &developer).await;
    let message = refused.header("x-error-message").to_owned();
    let link =
        message.split_whitespace().find(|word| word.contains("/-/r/")).unwrap_or_else(|| panic!("no link: {message}"));
    let id = link.rsplit('/').next().unwrap();
    let page = world.get(&format!("/-/r/{id}"), "").await;
    assert_eq!((page.status, page.header("location")), (303, format!("/-/sign-in?to=%2F-%2Fr%2F{id}").as_str()));
    // Nobody signs in where no provider is configured: the page says how to look with a token.
    let page = world.get(page.header("location"), "").await;
    assert!(page.text().contains(&format!("weighbridge request show {id}")), "{}", page.text());

    let asked = world
        .api_command(&["request", "acme/tiny@main", "--reason", "for the demo", "--json"], &developer)
        .await
        .good();
    let request = asked.json();
    let listed = world.api_command(&["request", "list"], &reviewer).await.good();
    assert!(listed.out.contains("acme/tiny"), "{}", listed.out);
    let shown = world.api_command(&["request", "show", request["id"].as_str().unwrap()], &developer).await.good();
    assert!(shown.out.contains("for the demo"), "{}", shown.out);
    world.api_command(&["request", "show", id], &reviewer).await.good();

    let approve = ["approve", "acme/tiny@main", "--reason", "fine", "--env", "research"];
    let asks = world.api_command(&approve, &reviewer).await;
    assert_eq!(asks.code, 3, "without a terminal and without --yes nothing happens: {}", asks.all());
    assert_eq!(world.get(path, &developer).await.status, 403);
    let done = world.api_command(&[&approve[..], &["--yes"]].concat(), &reviewer).await.good();
    let commit = world.hub.model("acme/tiny").head("main").unwrap();
    assert!(done.all().contains(&commit), "the commit is shown: {}", done.all());
    assert_eq!(world.get(path, &developer).await.status, 200);
}

#[tokio::test]
async fn only_reviewers_decide() {
    let world = World::new().await;
    for role in ["developer", "auditor", "operator", "admin", "policy-admin"] {
        let token = world.token(role, "").await;
        for words in [
            ["approve", "acme/tiny@main", "--reason", "x", "--env", "research", "--yes"],
            ["revoke", "acme/tiny@main", "--reason", "x", "--env", "research", "--yes"],
        ] {
            let ran = world.api_command(&words, &token).await;
            assert_eq!(ran.code, 1, "{role}: {words:?}: {}", ran.all());
        }
    }
    let only_prod = world.token("reviewer", "prod").await;
    let ran = world
        .api_command(&["approve", "acme/tiny@main", "--reason", "x", "--env", "research", "--yes"], &only_prod)
        .await;
    assert!(ran.code > 0, "{}", ran.all());
    assert_eq!(world.get("/acme/tiny/resolve/main/config.json", &world.developer().await).await.status, 403);
}

#[tokio::test]
async fn an_approval_can_end() {
    let mut world = World::new().await;
    let reviewer = world.token("reviewer", "").await;
    let words = ["approve", "acme/tiny@main", "--reason", "for today", "--env", "research", "--expires", "1d", "--yes"];
    world.api_command(&words, &reviewer).await.good();
    let (token, path) = (world.developer().await, "/acme/tiny/resolve/main/config.json");
    assert_eq!(world.get(path, &token).await.status, 200);
    // Nobody waits a day: it began a day and a second earlier.
    world.kill();
    world.change_row("UPDATE standing SET expires_at = expires_at - 86401000000 WHERE environment = 'research'").await;
    world.restart().await;
    let reply = world.get(path, &token).await;
    assert_eq!((reply.status, reply.header("x-error-code")), (403, "GatedRepo"), "{}", reply.text());
    assert!(reply.header("x-error-message").contains("has ended"), "{}", reply.header("x-error-message"));
}

#[tokio::test]
async fn wrong_use_ends_with_three_and_failure_with_one() {
    let world = World::new().await;
    let token = world.token("reviewer", "").await;
    for words in [
        &["no-such-command"][..],
        &["approve"],
        &["approve", "acme/tiny@main", "--reason", "x", "--env", "nowhere", "--nonsense"],
        &["token", "create", "--name", "x", "--role", "king"],
        &["token", "create", "--name", "x", "--role", "cluster"],
        &["token", "create", "--name", "x", "--role", "developer", "--ttl", "soon"],
    ] {
        let ran = world.api_command(words, &token).await;
        assert_eq!((ran.code, ran.out.as_str()), (3, ""), "{words:?}: {}", ran.err);
        assert!(!ran.err.is_empty(), "{words:?}");
    }
    for words in [
        &["approve", "acme/nowhere@main", "--reason", "x", "--env", "research", "--yes"][..],
        &["approve", "acme/tiny@nope", "--reason", "x", "--env", "research", "--yes"],
        &["request", "show", "01JD0000000000000000000000"],
    ] {
        let ran = world.api_command(words, &token).await;
        assert_eq!(ran.code, 1, "{words:?}: {}", ran.all());
        assert!(!ran.err.contains("panicked"), "{}", ran.err);
    }
}

#[tokio::test]
async fn a_pair_of_address_and_token_is_never_mixed() {
    let world = World::new().await;
    let token = world.token("reviewer", "").await;
    let words = ["request", "list"];
    let ran = world.gateway.command(&words, &[("HF_ENDPOINT", world.url()), ("HF_TOKEN", &token)]).await;
    assert_eq!(ran.code, 0, "{}", ran.all());
    let ran = world.gateway.command(&words, &[("WEIGHBRIDGE_URL", world.url()), ("HF_TOKEN", &token)]).await;
    assert_ne!(ran.code, 0, "an address of one pair went with a token of the other");
    let ran = world.gateway.command(&words, &[("HF_ENDPOINT", "https://huggingface.co"), ("HF_TOKEN", &token)]).await;
    assert_ne!(ran.code, 0, "{}", ran.all());
    assert!(ran.err.contains("nothing was sent"), "{}", ran.err);
}

#[tokio::test]
async fn tokens_are_made_listed_and_ended() {
    let world = World::new().await;
    let shaped = ["token", "create", "--name", "llama", "--role", "developer", "--env", "research", "--shape", "hf"];
    let made = world.gateway.command(&shaped, &[]).await.good();
    let token = made.out.trim();
    assert!(token.starts_with("hf_wbg") && token[3..].bytes().all(|b| b.is_ascii_alphanumeric()), "{token}");
    assert_eq!(made.out.lines().count(), 1, "the token alone is on stdout");
    assert_eq!(world.get("/api/whoami-v2", token).await.json()["name"], "llama");
    let listed = world.gateway.command(&["token", "list", "--json"], &[]).await.good();
    assert!(!listed.all().contains(token), "a token is shown once");
    let listed = listed.json();
    let row = listed["tokens"].as_array().unwrap().iter().find(|row| row["name"] == "llama").unwrap().clone();
    world.gateway.command(&["token", "revoke", row["id"].as_str().unwrap()], &[]).await.good();
    let began = std::time::Instant::now();
    while world.get("/api/whoami-v2", token).await.status != 401 {
        assert!(began.elapsed() < std::time::Duration::from_secs(5), "a revoked token still works");
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
}

#[tokio::test]
async fn the_configuration_is_checked_and_its_secrets_hidden() {
    let world = World::new().await;
    let shown = world.gateway.command(&["config", "check"], &[]).await.good();
    assert!(shown.out.contains(world.hub.url()), "{}", shown.out);
    assert!(!shown.all().contains("hf_gateway"), "the hub's token is shown");
    let file = world.folder.path().join("wrong.toml");
    std::fs::write(&file, "lisen = \"127.0.0.1:1\"\n").unwrap();
    let ran = world.gateway.command(&["config", "check", "--config", file.to_str().unwrap()], &[]).await;
    assert_ne!(ran.code, 0);
    assert!(ran.err.contains("lisen") && ran.err.contains("listen"), "the nearest right name is named: {}", ran.err);
    let ran = world.gateway.command(&["config", "check"], &[("WEIGHBRIDGE_PORT", "tcp://10.0.0.1:80")]).await.good();
    assert!(ran.code == 0, "a variable of an orchestrator stops nothing");
}

#[tokio::test]
async fn the_doctor_looks_at_everything() {
    let world = World::new().await;
    world.approve("acme/tiny@main").await;
    let token = world.developer().await;
    let pair = [("WEIGHBRIDGE_URL", world.url()), ("WEIGHBRIDGE_TOKEN", token.as_str())];
    let ran = world.gateway.command(&["doctor"], &pair).await;
    assert_eq!(ran.code, 0, "{}", ran.all());
    for part in [world.url(), world.hub.url().trim_start_matches("http://")] {
        assert!(ran.out.contains(part), "{part} is not looked at: {}", ran.all());
    }
    assert!(!ran.all().contains("hf_gateway") && !ran.all().contains(&token), "a token is shown");
    world.hub.offline(true);
    let ran = world.gateway.command(&["doctor"], &pair).await;
    assert_eq!(ran.code, 1, "{}", ran.all());
}

#[tokio::test]
async fn one_data_folder_takes_one_gateway() {
    let world = World::new().await;
    let mut second = world.gateway.weighbridge();
    second.arg("serve").env("WEIGHBRIDGE_LISTEN", "127.0.0.1:0");
    let ran = crate::stock::run(second, std::time::Duration::from_secs(20)).await;
    assert!(ran.code > 0, "a second gateway runs on the same SQLite database: {}", ran.all());
}

#[tokio::test]
async fn with_nothing_configured_it_starts_and_says_what_to_do() {
    let folder = Folder::new();
    // Only the address differs from an empty environment: 8080 may be somebody's.
    let mut serve = std::process::Command::new(env!("CARGO_BIN_EXE_weighbridge"));
    serve
        .arg("serve")
        .env_clear()
        .env("HOME", folder.path())
        .env("WEIGHBRIDGE_LISTEN", "127.0.0.1:0")
        .current_dir(folder.path());
    let mut child = serve.stdout(Stdio::piped()).stderr(Stdio::null()).stdin(Stdio::null()).spawn().unwrap();
    let told = BufReader::new(child.stdout.take().unwrap());
    let lines: Vec<String> = told.lines().map_while(Result::ok).filter(|line| !line.starts_with('{')).take(4).collect();
    let lines = lines.join("\n");
    let url = lines.lines().find_map(|line| line.strip_prefix("export HF_ENDPOINT=")).unwrap_or_default().to_owned();
    let page = crate::wire::ask("GET", &format!("{url}/-/"), "", &[]).await;
    let ready = crate::wire::ask("GET", &format!("{url}/-/readyz"), "", &[]).await;
    let _ = child.kill();
    let _ = child.wait();
    assert!(lines.contains(&format!("Console: {url}/-/")), "{lines}");
    assert!(lines.contains("export HF_TOKEN=$(weighbridge token create"), "{lines}");
    assert_eq!(ready.map(|reply| reply.status).ok(), Some(200));
    let page = page.unwrap();
    assert!(page.status == 200 && page.text().contains(&url), "the page says how to set a client up");
    assert!(folder.path().join("data/weighbridge.db").exists());
    let key = std::fs::metadata(folder.path().join("data/keys/ledger.key")).unwrap();
    assert_eq!(key.permissions().mode() & 0o777, 0o600);
}

#[tokio::test]
async fn migrate_is_done_before_and_again() {
    let world = World::new().await;
    world.gateway.command(&["migrate"], &[]).await.good();
}
