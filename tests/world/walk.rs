//! Every endpoint, from the router's own list, for every kind of stranger and every state of a revision.
//!
//! The table is for people. What is asserted besides: behind a guard nobody without a right ever gets a 2xx.

use std::{fmt::Write, time::Duration};

use weighbridge::endpoint::Endpoint;

use crate::{golden, wire::ask, world::World};

#[tokio::test]
async fn nobody_gets_in_without_a_right() {
    let world = World::new().await;
    let who = credentials(&world).await;
    let mut table = String::from("What every endpoint answers: status and code; = is the same as on its left.\n");
    let names: Vec<&str> = who.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(table, "Columns: {}\n", names.join(" · "));
    for state in ["unknown", "approved", "revoked"] {
        match state {
            "approved" => world.approve("acme/tiny@main").await,
            "revoked" => world.revoke("acme/tiny@main").await,
            _ => {}
        }
        let _ = writeln!(table, "# {state}\n");
        for endpoint in weighbridge::routes::all().unwrap().iter() {
            let cells = walk(&world, endpoint, &who, state).await;
            let guard = endpoint.act.unwrap_or("open");
            let _ = writeln!(table, "{} {} [{guard}] {}", endpoint.method, endpoint.sample, cells.join(" · "));
        }
        table.push('\n');
    }
    golden::compare("walk.txt", &table);
}

async fn walk(world: &World, endpoint: &Endpoint, who: &[(&str, String)], state: &str) -> Vec<String> {
    let url = format!("{}{}", world.url(), endpoint.sample);
    let mut cells: Vec<String> = Vec::new();
    let mut last = String::new();
    for (name, token) in who {
        // Somebody with every right would change what the next row is about.
        if *name == "reviewer" && endpoint.method != "GET" && endpoint.act.is_some() {
            cells.push("-".to_owned());
            continue;
        }
        let reply = ask(endpoint.method.as_str(), &url, token, &[]).await.unwrap();
        let has_a_right = matches!(*name, "reviewer");
        let good = (200..300).contains(&reply.status);
        let guarded = endpoint.act.is_some_and(|act| act != "account.read");
        assert!(!good || has_a_right || !guarded || may(name, endpoint, state), "{name} gets {} {url}", reply.status);
        let code = reply.json()["code"].as_str().map(str::to_owned);
        let code = code.unwrap_or_else(|| reply.header("x-error-code").to_owned());
        let cell = format!("{} {code}", reply.status).trim_end().to_owned();
        cells.push(if cell == last { "=".to_owned() } else { cell.clone() });
        last = cell;
        if endpoint.method == "GET" {
            let head = ask("HEAD", &url, token, &[]).await.unwrap();
            assert_eq!(head.status, reply.status, "{name}: HEAD {url} differs from GET");
            assert!(head.body.is_empty(), "{name}: HEAD {url} has a body");
        }
    }
    cells
}

/// What a credential of another role or environment may see all the same: what is not about this revision.
fn may(name: &str, endpoint: &Endpoint, state: &str) -> bool {
    let act = endpoint.act.unwrap_or_default();
    match name {
        // Auditors read everything that is served and pull no files.
        "auditor" if act.ends_with(".view") => state == "approved",
        "auditor" => act != "file.pull" && endpoint.method == "GET",
        // In production nothing is approved; lists and one's own requests are there, and empty.
        "developer in prod" => matches!(act, "catalogue.search" | "upstream.search" | "request.read"),
        _ => false,
    }
}

async fn credentials(world: &World) -> Vec<(&'static str, String)> {
    let short = ["token", "create", "--name", "short", "--role", "reviewer", "--env", "research", "--ttl", "1s"];
    let expired = world.gateway.command(&short, &[]).await.good().out.trim().to_owned();
    let made = ["token", "create", "--name", "gone", "--role", "reviewer", "--env", "research", "--json"];
    let made = world.gateway.command(&made, &[]).await.good().json();
    let (id, gone) = (made["id"].as_str().unwrap().to_owned(), made["token"].as_str().unwrap().to_owned());
    world.gateway.command(&["token", "revoke", &id], &[]).await.good();
    let all = vec![
        ("no token", String::new()),
        ("bad token", "hf_thisIsNoTokenOfOursThisIsNoTokenOfOurs".to_owned()),
        ("expired", expired),
        ("revoked token", gone),
        ("admin", world.token("admin", "").await),
        ("auditor", world.token("auditor", "").await),
        ("developer in prod", world.token("developer", "prod").await),
        ("reviewer", world.token("reviewer", "").await),
    ];
    tokio::time::sleep(Duration::from_secs(2)).await;
    all
}
