//! Every endpoint, from the router's own list, for every kind of stranger and every state of a revision.
//!
//! The table is for people. What is asserted besides: behind a guard nobody without a right ever gets a 2xx.

use std::{fmt::Write, time::Duration};

use weighbridge::endpoint::Endpoint;

use crate::{
    golden,
    wire::{Reply, ask},
    world::World,
};

#[tokio::test]
async fn nobody_gets_in_without_a_right() {
    let world = World::new().await;
    let who = credentials(&world).await;
    let mut table = String::from("What every endpoint answers: status and code; = is the same as on its left.\n");
    let names: Vec<&str> = who.iter().map(|(name, _)| *name).collect();
    let _ = writeln!(table, "Columns: {}\n", names.join(" · "));
    let mut wrong = Vec::new();
    for state in ["unknown", "approved", "revoked"] {
        match state {
            "approved" => world.approve("acme/tiny@main").await,
            "revoked" => world.revoke("acme/tiny@main").await,
            _ => {}
        }
        let _ = writeln!(table, "# {state}\n");
        for endpoint in weighbridge::routes::all().unwrap().iter() {
            let cells = walk(&world, endpoint, &who, state, &mut wrong).await;
            let guard = endpoint.act.unwrap_or("open");
            let _ = writeln!(table, "{} {} [{guard}] {}", endpoint.method, endpoint.sample, cells.join(" · "));
        }
        table.push('\n');
    }
    assert_eq!(wrong, Vec::<String>::new());
    golden::compare("walk.txt", &table);
}

async fn walk(
    world: &World,
    endpoint: &Endpoint,
    who: &[(&str, String)],
    state: &str,
    wrong: &mut Vec<String>,
) -> Vec<String> {
    let url = format!("{}{}", world.url(), endpoint.sample);
    let mut cells: Vec<String> = Vec::new();
    let mut last = String::new();
    for (name, token) in who {
        // Somebody with every right would change what the next row is about.
        if *name == "reviewer" && endpoint.method != "GET" && endpoint.act.is_some() {
            cells.push("-".to_owned());
            continue;
        }
        let reply = unhurried(endpoint.method.as_str(), &url, token).await;
        if (200..300).contains(&reply.status) && endpoint.act.is_some() && !may(name, endpoint, state) {
            wrong.push(format!("{state}: {name} gets {} {} {}", reply.status, endpoint.method, endpoint.sample));
        }
        let code = reply.json()["code"].as_str().map(str::to_owned);
        let code = code.unwrap_or_else(|| reply.header("x-error-code").to_owned());
        let cell = format!("{} {code}", reply.status).trim_end().to_owned();
        cells.push(if cell == last { "=".to_owned() } else { cell.clone() });
        last = cell;
        if endpoint.method == "GET" {
            let head = unhurried("HEAD", &url, token).await;
            if head.status != reply.status || !head.body.is_empty() {
                wrong.push(format!(
                    "{state}: {name}: HEAD {} answers {}, GET {}",
                    endpoint.sample, head.status, reply.status
                ));
            }
        }
    }
    cells
}

/// So many strangers from one address are slowed down: then a little later.
async fn unhurried(method: &str, url: &str, token: &str) -> Reply {
    for _ in 0..60 {
        let reply = ask(method, url, token, &[]).await.unwrap();
        let slowed = reply.status == 429 && (method == "HEAD" || reply.text().contains("without a good token"));
        if !slowed {
            return reply;
        }
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
    panic!("{method} {url} is refused for ever");
}

/// What somebody may see all the same: oneself, and what one's role is for.
fn may(name: &str, endpoint: &Endpoint, state: &str) -> bool {
    let act = endpoint.act.unwrap_or_default();
    let of_the_revision = matches!(act, "revision.view" | "repository.view" | "file.pull");
    let known = !matches!(name, "no token" | "bad token" | "expired" | "revoked token");
    if act == "account.read" {
        return known;
    }
    match name {
        "reviewer" => !of_the_revision || state == "approved",
        "auditor" if of_the_revision => state == "approved" && act != "file.pull",
        "auditor" => endpoint.method == "GET",
        // Who looks after people sees who they are and whose tokens there are.
        "admin" => matches!(act, "person.read" | "workload.read") || (act == "token.read" && endpoint.method == "GET"),
        // In production nothing is approved, and nothing of research can be decided from there.
        "reviewer in prod" => endpoint.method == "GET" && !of_the_revision,
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
        ("reviewer in prod", world.token("reviewer", "prod").await),
        ("reviewer", world.token("reviewer", "").await),
    ];
    tokio::time::sleep(Duration::from_secs(2)).await;
    all
}
