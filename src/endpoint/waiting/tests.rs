//! A herd at the door.

use tokio::task::JoinSet;

use super::*;
use crate::{
    accounts,
    domain::{
        role::{Reach, Role},
        token::Shape,
    },
    gate::{
        act::{CreateToken, ViewRevision},
        object::{RevisionAsked, Tokens},
    },
    intake::testing::{Bench, Workers},
};

async fn developer(bench: &Bench) -> Actor {
    let wanted = accounts::Wanted {
        name: "me".to_owned(),
        holder: accounts::Holder::Role(Role::Developer),
        provider: None,
        reach: Reach::All,
        cluster: None,
        expires_at: Micros(clock::now().0 + Micros::DAY),
        shape: Shape::Own,
    };
    let may = bench.app.gate.admit_host::<CreateToken>("test", Tokens).unwrap();
    let made = accounts::create(may, wanted).await.unwrap();
    let mut headers = HeaderMap::new();
    headers.insert("authorization", format!("Bearer {}", made.text).parse().unwrap());
    bench.app.gate.identify(&headers, &Call::default()).await.unwrap()
}

/// Five hundred first callers of one revision cost as many questions as one, and each gets its answer.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn five_hundred_callers_ask_as_often_as_one() {
    let bench = Bench::on_sqlite().await;
    bench.hub.model("acme/herd").commit("Add").file("config.json", "{}").push();
    let actor = developer(&bench).await;
    let (repo, rev) = (RepoName::parse("acme/herd").unwrap(), Rev::main());
    let name = vigils::door("research", &repo, &rev);
    let vigil = bench.app.vigils.at(&name);
    let mut headers = HeaderMap::new();
    // It waits for ten minutes, however slow this machine is.
    headers.insert(header::USER_AGENT, "hf-hub/0.4.3".parse().unwrap());
    let mut herd = JoinSet::new();
    for _ in 0..500 {
        let (app, actor, headers) = (bench.app.clone(), actor.clone(), headers.clone());
        let asked = RevisionAsked { repo: repo.clone(), rev: rev.clone() };
        herd.spawn(
            async move { admit::<ViewRevision>(&app, actor, asked, &Call::default(), &headers).await.map(drop) },
        );
    }
    while bench.app.vigils.waiting(&name) < 500 {
        assert!(herd.try_join_next().is_none(), "nobody is let in, and nobody sent away");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let (began, before) = (Instant::now(), vigil.looked());
    tokio::time::sleep(Duration::from_secs(3)).await;
    let most = began.elapsed().as_secs() + 20;
    assert!(vigil.looked() - before <= most, "{} questions", vigil.looked() - before);
    assert_eq!(bench.number("SELECT CAST(count(*) AS BIGINT) FROM job").await, 1);
    let workers = Workers::start(&bench.app);
    while let Some(answer) = herd.join_next().await {
        // Under `strict` a person has to look at it first.
        assert_eq!(answer.unwrap().map_err(|refusal| refusal.code), Err(Code::NotApproved));
    }
    workers.stop().await;
}
