//! Bytes of files.

use super::*;

async fn all(upstream: &Upstream, file: &str, from: u64) -> Result<(u64, u64, Vec<u8>), Trouble> {
    let mut download = upstream.open(&name("a/b"), &commit(), &path(file), from).await?;
    let mut bytes = Vec::new();
    while let Some(piece) = download.next().await {
        bytes.extend_from_slice(&piece?);
    }
    assert!(download.next().await.is_none());
    Ok((download.size, download.from, bytes))
}

#[tokio::test]
async fn the_token_goes_to_the_hub_and_never_to_where_it_sends_us() {
    let cdn = Stub::start(|_: &Seen| Reply::status(200).body("0123456789").with("set-cookie", "c=1")).await;
    let target = cdn.url("/blob?X-Signature=secret");
    let hub = Stub::start(move |seen: &Seen| {
        let reply = if seen.target.starts_with("/a/b/") {
            Reply::to(format!("/api/resolve-cache/models/a/b/{COMMIT}/x"))
        } else {
            Reply::to(target.clone())
        };
        reply.with("x-repo-commit", COMMIT).with("set-cookie", "session=1").with("x-xet-hash", "f".repeat(64))
    })
    .await;
    let (size, from, bytes) = all(&upstream(&hub), "dir/ä b.bin", 0).await.unwrap();
    assert_eq!((size, from, bytes.as_slice()), (10, 0, b"0123456789".as_slice()));
    assert_eq!(hub.targets()[0], format!("/a/b/resolve/{COMMIT}/dir/%C3%A4%20b.bin"));
    for seen in hub.seen() {
        assert_eq!(seen.header("authorization"), Some(format!("Bearer {TOKEN}").as_str()));
    }
    for seen in hub.seen().iter().chain(&cdn.seen()) {
        assert_eq!(seen.header("user-agent"), Some(concat!("weighbridge/", env!("CARGO_PKG_VERSION"))));
        assert_eq!(seen.header("accept-encoding"), Some("identity"));
        assert!(seen.header("cookie").is_none() && seen.header("referer").is_none() && seen.header("range").is_none());
    }
    assert_eq!(cdn.targets(), ["/blob?X-Signature=secret"]);
    assert!(cdn.seen()[0].header("authorization").is_none());
}

#[tokio::test]
async fn a_broken_transfer_resumes_and_a_restart_is_told() {
    let hub = Stub::start(|seen: &Seen| {
        let part = |range: &str, body: &str| Reply::status(206).with("content-range", range).body(body);
        match (seen.target.rsplit('/').next().unwrap_or_default(), seen.header("range")) {
            ("resumes", Some("bytes=4-")) => part("bytes 4-9/10", "456789"),
            ("part", Some("bytes=2-4")) => part("bytes 2-4/10", "234"),
            ("tail", Some("bytes=8-19")) => part("bytes 8-9/10", "89"),
            ("other", _) => part("bytes 3-9/10", "3456789"),
            ("short", _) => part("bytes 4-8/10", "45678"),
            ("unsaid", _) => Reply::status(206).body("456789"),
            ("past", _) => Reply::status(416),
            _ => Reply::status(200).body("0123456789"),
        }
    })
    .await;
    let upstream = upstream(&hub);
    assert_eq!(all(&upstream, "resumes", 4).await, Ok((10, 4, b"456789".to_vec())));
    assert_eq!(all(&upstream, "restarts", 4).await, Ok((10, 0, b"0123456789".to_vec())));
    for bad in ["other", "short", "unsaid", "past"] {
        assert!(matches!(all(&upstream, bad, 4).await, Err(Trouble::Unexpected(_))), "{bad}");
    }
    assert!(matches!(all(&upstream, "other", 0).await, Err(Trouble::Unexpected(_))), "a part that nobody asked for");
    let part = async |file: &str, part| upstream.open_part(&name("a/b"), &commit(), &path(file), part).await;
    for (file, range, told) in [("part", 2..5, (10, 2, 5)), ("tail", 8..20, (10, 8, 10)), ("whole", 8..9, (10, 0, 10))]
    {
        let download = part(file, range).await.unwrap();
        assert_eq!((download.size, download.from, download.until), told, "{file}");
    }
}

#[tokio::test]
async fn a_body_is_as_long_as_was_said_or_fails() {
    let hub = Stub::start(|seen: &Seen| match seen.target.rsplit('/').next().unwrap_or_default() {
        "cut" => Reply::status(200).with("content-length", "100").body("0123"),
        "stalls" => Reply::status(200).with("content-length", "100").body("0123").hold(),
        "gzip" => Reply::status(200).with("content-encoding", "gzip").body("0123"),
        "chunked" => Reply::status(200).with("transfer-encoding", "chunked").body("4\r\n0123\r\n0\r\n\r\n"),
        "linked" => {
            let reply = Reply::status(200).with("transfer-encoding", "chunked").with("x-linked-size", "4");
            reply.body("4\r\n0123\r\n0\r\n\r\n")
        }
        "longer" => {
            let reply = Reply::status(200).with("transfer-encoding", "chunked").with("x-linked-size", "3");
            reply.body("4\r\n0123\r\n0\r\n\r\n")
        }
        "commit" => Reply::status(200).with("x-repo-commit", "c".repeat(40)).body("0123"),
        "empty" => Reply::status(200),
        _ => Reply::status(204),
    })
    .await;
    let upstream = upstream(&hub);
    assert!(matches!(all(&upstream, "cut", 0).await, Err(Trouble::Unreachable(_))));
    assert!(matches!(all(&upstream, "stalls", 0).await, Err(Trouble::Unreachable(s)) if s.contains("stopped")));
    for bad in ["gzip", "chunked", "longer", "commit", "nothing"] {
        assert!(matches!(all(&upstream, bad, 0).await, Err(Trouble::Unexpected(_))), "{bad}");
    }
    assert_eq!(all(&upstream, "linked", 0).await, Ok((4, 0, b"0123".to_vec())));
    assert_eq!(all(&upstream, "empty", 0).await, Ok((0, 0, Vec::new())));
}

#[tokio::test]
async fn what_went_wrong_is_told_without_anything_secret() {
    let closed = Stub::start(|_: &Seen| Reply::nothing()).await.url("/blob?X-Signature=secret");
    let cdn =
        Stub::start(|_: &Seen| Reply::status(403).with("x-error-message", "secret").body("<html>secret</html>")).await;
    let denying = cdn.url("/blob?X-Signature=secret");
    let hub = Stub::start(move |seen: &Seen| match seen.target.rsplit('/').next().unwrap_or_default() {
        "gated" => Reply::status(403).with("x-error-code", "GatedRepo").with("x-error-message", "Ask for access."),
        "missing" => not_found("EntryNotFound"),
        "denied" => Reply::to(denying.clone()),
        "closed" => Reply::to(closed.clone()),
        _ => not_found("RepoNotFound"),
    })
    .await;
    let upstream = upstream(&hub);
    assert_eq!(all(&upstream, "gated", 0).await, Err(Trouble::Gated("Ask for access.".to_owned())));
    assert_eq!(all(&upstream, "missing", 0).await, Err(Trouble::EntryNotFound));
    assert_eq!(all(&upstream, "missing", 0).await, Err(Trouble::EntryNotFound));
    assert_eq!(hub.targets().len(), 2, "the second answer is remembered");
    let forbidden = all(&upstream, "denied", 0).await.unwrap_err();
    let closed = all(&upstream, "closed", 0).await.unwrap_err();
    assert!(
        matches!(forbidden, Trouble::Unexpected(_)) && matches!(closed, Trouble::Unreachable(_)),
        "{forbidden} {closed}"
    );
    tells_no_secret(&forbidden);
    tells_no_secret(&closed);
    assert!(!format!("{:?}", settings(&hub, "")).contains("secret"));
}
