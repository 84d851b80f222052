//! How often the hub is asked, and how long we wait for it.

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Instant,
};

use futures_util::future::join_all;

use super::*;

/// A hub that answers by how often it was asked before.
async fn counting(answer: impl Fn(u64) -> Reply + Send + Sync + 'static) -> Stub {
    let asked = AtomicU64::new(0);
    Stub::start(move |_: &Seen| answer(asked.fetch_add(1, Ordering::SeqCst))).await
}

#[tokio::test]
async fn a_crowd_asks_once() {
    let hub = counting(|_| Reply::json(&repo("a/b")).after(Duration::from_millis(100))).await;
    let upstream = upstream(&hub);
    let (asked, main) = (name("a/b"), Rev::main());
    let answers = join_all((0..50).map(|_| upstream.revision(&asked, &main))).await;
    assert!(answers.iter().all(Result::is_ok));
    assert_eq!(hub.targets().len(), 1);
    tokio::time::sleep(Duration::from_millis(500)).await;
    upstream.revision(&asked, &main).await.unwrap();
    assert_eq!(hub.targets().len(), 2);
}

#[tokio::test]
async fn an_absence_is_remembered_for_a_while() {
    let hub = Stub::start(|seen: &Seen| match seen.target.as_str() {
        "/api/models/a/b/revision/gone" => not_found("RevisionNotFound"),
        _ => not_found("RepoNotFound"),
    })
    .await;
    let upstream = upstream(&hub);
    let (asked, gone) = (name("a/b"), Rev::new("gone").unwrap());
    for _ in 0..3 {
        assert_eq!(upstream.revision(&asked, &gone).await.err(), Some(Trouble::RevisionNotFound));
    }
    assert_eq!(hub.targets().len(), 1);
    for _ in 0..3 {
        assert_eq!(upstream.repository(&asked).await.err(), Some(Trouble::RepoNotFound));
        assert_eq!(upstream.tree(&asked, &commit()).await.err(), Some(Trouble::RepoNotFound));
    }
    assert_eq!(hub.targets().len(), 2);
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(upstream.repository(&asked).await.err(), Some(Trouble::RepoNotFound));
    assert_eq!(hub.targets().len(), 3);
}

#[tokio::test]
async fn a_stumbling_hub_is_asked_three_times_and_no_more() {
    let hub = counting(|n| match n {
        0 => Reply::status(502),
        1 => Reply::nothing(),
        2 => Reply::json(&repo("a/b")),
        _ => Reply::status(500).body("secret"),
    })
    .await;
    let upstream = upstream(&hub);
    upstream.repository(&name("a/b")).await.unwrap();
    assert_eq!(hub.targets().len(), 3);
    let trouble = upstream.repository(&name("a/c")).await.unwrap_err();
    assert!(matches!(trouble, Trouble::Unreachable(_)));
    tells_no_secret(&trouble);
    assert_eq!(hub.targets().len(), 6);
}

#[tokio::test]
async fn everybody_waits_when_the_hub_says_so() {
    let hub = counting(|n| match n {
        0 => Reply::status(429).with("ratelimit", "\"api\";r=0;t=1"),
        _ => Reply::json(&repo("a/b")),
    })
    .await;
    let upstream = upstream(&hub);
    let began = Instant::now();
    let first = tokio::spawn({
        let upstream = upstream.clone();
        async move { upstream.repository(&name("a/b")).await.map(drop) }
    });
    while hub.targets().is_empty() {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    tokio::time::sleep(Duration::from_millis(100)).await;
    upstream.repository(&name("a/c")).await.unwrap();
    assert!(began.elapsed() >= Duration::from_millis(950), "{:?}", began.elapsed());
    assert_eq!(first.await.unwrap(), Ok(()));
    assert_eq!(hub.targets().len(), 3);
}

#[tokio::test]
async fn a_wait_beyond_patience_is_told_at_once() {
    let hub = counting(|_| Reply::status(429).with("retry-after", "120")).await;
    let upstream = upstream(&hub);
    let began = Instant::now();
    for asked in ["a/b", "a/c"] {
        let Err(Trouble::Busy { retry_after }) = upstream.repository(&name(asked)).await else { panic!("not busy") };
        assert!((110..=120).contains(&retry_after.as_secs()), "{retry_after:?}");
    }
    let opened = upstream.open(&name("a/b"), &commit(), &path("x"), 0).await.err();
    assert!(matches!(opened, Some(Trouble::Busy { .. })));
    assert!(began.elapsed() < Duration::from_secs(1));
    assert_eq!(hub.targets().len(), 1, "nobody asked again");
}

#[tokio::test]
async fn a_slow_hub_is_not_waited_for() {
    let hub = Stub::start(|seen: &Seen| match seen.target.as_str() {
        "/api/models/a/drip" => Reply::status(200).with("content-length", "9").body("{").hold(),
        _ => Reply::json(&repo("a/b")).after(Duration::from_secs(20)),
    })
    .await;
    let upstream = upstream(&hub);
    let began = Instant::now();
    let (a, b, c) = (name("a/b"), name("a/drip"), path("x"));
    let commit = commit();
    let (silent, drip, file) =
        tokio::join!(upstream.repository(&a), upstream.repository(&b), upstream.open(&a, &commit, &c, 0));
    for trouble in [silent.err(), drip.err(), file.err()] {
        assert!(matches!(&trouble, Some(Trouble::Unreachable(s)) if s.contains("in time")), "{trouble:?}");
    }
    assert!(began.elapsed() < Duration::from_secs(4), "{:?}", began.elapsed());
}

#[test]
fn every_question_may_be_asked_from_any_thread() {
    fn sendable<T: Send>(_: T) {}
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let settings = Settings {
        url: Url::parse("https://huggingface.co").unwrap(),
        token: Some(" \n".to_owned()),
        allow_hosts: vec!["*.hf.co".to_owned()],
        allow_private_addresses: false,
        reserved_namespaces: Vec::new(),
    };
    let upstream = Upstream::new(settings.clone()).unwrap();
    assert!(upstream.0.authorization.is_none());
    let (asked, commit, file) = (name("a/b"), commit(), path("x"));
    sendable(upstream.repository(&asked));
    sendable(upstream.tree(&asked, &commit));
    sendable(upstream.open(&asked, &commit, &file, 0));
    sendable(upstream.probe());
    assert!(
        Upstream::new(Settings { token: Some("hf_\nsecret".to_owned()), ..settings })
            .is_err_and(|f| !f.to_string().contains("secret"))
    );
}

/// Inspections read parts of files, pulls read files: neither waits behind however many of the other.
#[tokio::test]
async fn parts_and_files_do_not_keep_each_other_waiting() {
    let hub = Stub::start(|seen: &Seen| {
        let reply = match seen.header("range") {
            Some(_) => Reply::status(206).with("content-range", "bytes 2-4/10").with("content-length", "3"),
            None => Reply::status(200).with("content-length", "10"),
        };
        reply.body("2").hold()
    })
    .await;
    let limits = Limits { downloads_at_once: 1, parts_at_once: 1, patience: Duration::from_millis(200), ..limits() };
    let upstream = upstream_with(&settings(&hub, ""), limits);
    let repo = name("a/b");
    let file = async |name: &str| upstream.open(&repo, &commit(), &path(name), 0).await;
    let part = async |name: &str| upstream.open_part(&repo, &commit(), &path(name), 2..5).await;
    let busy =
        |end: Result<_, Trouble>| matches!(end.map(|_: crate::upstream::Download| ()), Err(Trouble::Busy { .. }));
    let held = file("one").await.unwrap();
    assert!(busy(file("two").await), "that lane is full");
    let other = part("one").await.unwrap();
    assert!(busy(part("two").await));
    drop(held);
    let held = file("two").await.unwrap();
    drop(other);
    assert!(part("two").await.is_ok());
    drop(held);
}
