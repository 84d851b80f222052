//! Where we go, and where we would not be sent.

use super::*;

/// A hub that is public as far as anybody can tell, and sends us to `location` for every file.
async fn sent_to(location: impl Fn(u16) -> String + Send + Sync + 'static) -> (Stub, Result<(), Trouble>) {
    let hub = Stub::start(move |seen: &Seen| {
        let port = seen.header("host").and_then(|h| h.rsplit_once(':')?.1.parse().ok()).unwrap_or(0);
        Reply::to(location(port))
    })
    .await;
    let settings = Settings {
        url: Url::parse(&format!("http://hub.test:{}", hub.address.port())).unwrap(),
        allow_hosts: vec!["*.hub.test".to_owned(), "10.0.0.1".to_owned(), "[::ffff:10.0.0.1]".to_owned()],
        allow_private_addresses: false,
        ..settings(&hub, "")
    };
    let loopback: Judge = |ip| ip == IpAddr::from([127, 0, 0, 1]);
    let _ = rustls::crypto::aws_lc_rs::default_provider().install_default();
    let upstream = Upstream::build(settings, resolver(loopback), limits()).unwrap();
    let opened = upstream.open(&name("a/b"), &commit(), &path("x"), 0).await.map(drop);
    (hub, opened)
}

#[tokio::test]
async fn a_redirect_into_the_inside_makes_no_connection() {
    let trap = Stub::start(|_: &Seen| Reply::status(200).body("caught")).await;
    let trap_port = trap.address.port();
    let hosts = "rebind.hub.test metadata.hub.test 127.0.0.1 2130706433 0x7f000001 127.1 [::ffff:127.0.0.1] [::1] \
        [::ffff:10.0.0.1] 10.0.0.1 169.254.169.254 evil.test hub.test.evil.test u:p@hub.test";
    for host in hosts.split_whitespace() {
        let (hub, opened) = sent_to(move |port| format!("http://{host}:{port}/secret?q")).await;
        assert!(matches!(&opened, Err(Trouble::Refused(_))), "{host}: {opened:?}");
        assert_eq!(hub.targets().len(), 1, "{host}");
        tells_no_secret(&opened.unwrap_err());
    }
    let (_hub, opened) = sent_to(move |_| format!("http://cdn.hub.test:{trap_port}/")).await;
    assert!(matches!(opened, Err(Trouble::Refused(_))), "another port");
    let (_hub, opened) = sent_to(|_| "file:///etc/passwd".to_owned()).await;
    assert!(matches!(opened, Err(Trouble::Refused(_))));
    assert!(trap.targets().is_empty());
}

#[tokio::test]
async fn redirects_end_after_four() {
    let (hub, opened) = sent_to(|port| format!("http://cdn.hub.test:{port}/again")).await;
    assert!(matches!(opened, Err(Trouble::Refused(_))), "{opened:?}");
    assert_eq!(hub.targets().len(), 5);
    let carries = |seen: &Seen| seen.header("authorization").is_some();
    assert!(carries(&hub.seen()[0]) && !hub.seen()[1..].iter().any(carries), "the token is for the hub's own name");
    let (hub, opened) = sent_to(|_| String::new()).await;
    assert!(matches!(opened, Err(Trouble::Refused(_))) && hub.targets().len() == 5, "a redirect to itself");
}

#[tokio::test]
async fn an_answer_about_a_repository_comes_from_the_hub_or_not_at_all() {
    let elsewhere = Stub::start(|_: &Seen| Reply::json(&repo("a/b"))).await;
    let target = elsewhere.url("/api/models/a/b");
    let hub = Stub::start(move |seen: &Seen| match seen.target.as_str() {
        "/api/models/a/login" => Reply::to("/login"),
        "/api/models/a/loop" => Reply::to("/api/models/a/loop"),
        "/api/models/a/nowhere" => Reply::status(302),
        _ => Reply::to(target.clone()),
    })
    .await;
    let upstream = upstream(&hub);
    for refused in ["a/b", "a/login", "a/loop"] {
        let answer = upstream.repository(&name(refused)).await;
        assert!(matches!(answer, Err(Trouble::Refused(_))), "{refused}: {answer:?}");
    }
    assert!(matches!(upstream.repository(&name("a/nowhere")).await, Err(Trouble::Unexpected(_))));
    assert!(elsewhere.targets().is_empty());
}

#[tokio::test]
async fn a_probe_tells_what_each_host_answers() {
    let date = "Fri, 20 Nov 2026 20:00:00 GMT";
    let hub = Stub::start(move |_: &Seen| Reply::status(404).with("date", date)).await;
    let closed = Stub::start(|_: &Seen| Reply::nothing()).await.address.port();
    let port = hub.address.port();
    let settings = Settings {
        url: Url::parse(&format!("http://hub.test:{port}")).unwrap(),
        allow_hosts: vec![
            "*.hub.test".to_owned(),
            "hub.test".to_owned(),
            format!("cdn.test:{closed}"),
            format!("metadata.hub.test:{port}"),
        ],
        ..settings(&hub, "")
    };
    let probes = upstream_with(&settings, limits()).probe().await;
    let hosts: Vec<_> = probes.iter().map(|p| p.host.clone()).collect();
    assert_eq!(hosts, [format!("hub.test:{port}"), format!("cdn.test:{closed}"), format!("metadata.hub.test:{port}")]);
    let answer = probes[0].answer.as_ref().unwrap();
    assert_eq!(
        (answer.status, answer.date.map(|d| d.to_string()).as_deref()),
        (404, Some("2026-11-20T20:00:00.000000Z"))
    );
    assert!(matches!(probes[1].answer, Err(Trouble::Unreachable(_))), "{:?}", probes[1]);
    assert!(matches!(probes[2].answer, Err(Trouble::Refused(_))) && !probes[2].addresses[0].1, "{:?}", probes[2]);
    assert!(hub.seen().iter().all(|seen| seen.header("authorization").is_none()));
}
