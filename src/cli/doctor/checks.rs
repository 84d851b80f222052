//! The questions doctor asks of the gateway and of the hub's hosts.

use reqwest::{
    Method, Response, StatusCode,
    header::{ACCEPT_ENCODING, CONTENT_ENCODING, CONTENT_LENGTH, DATE, HeaderName, SERVER, VIA},
};
use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc2822};

use super::Report;
use crate::{
    cli::{api::Api, out},
    clock,
    config::Config,
    upstream::{HostAnswer, Upstream},
};

/// Whether anybody is there, who, and whether our clocks agree. False when nobody is.
pub async fn contact(api: &Api, report: &mut Report) -> bool {
    let answer = match api.send(Method::GET, "/-/healthz", &[(ACCEPT_ENCODING, "gzip, br")], None).await {
        Ok(answer) => answer,
        Err(trouble) => {
            report.fail(
                "contact",
                &trouble.sentence,
                "check the address, name lookup, firewall and the certificate's issuer",
            );
            return false;
        }
    };
    let peer = answer.remote_addr().map_or_else(|| "an unknown address".to_owned(), |address| address.to_string());
    let in_front = [VIA, SERVER].iter().filter_map(|name| header(&answer, name)).collect::<Vec<_>>().join(", ");
    let proxy = if in_front.is_empty() { String::new() } else { format!(", through {in_front}") };
    let status = answer.status();
    if status != StatusCode::OK || header(&answer, &REQUEST_ID).is_none() {
        let found = format!("{peer} answered {}, but not as Weighbridge does", status.as_u16());
        report.fail(
            "contact",
            &found,
            "check the host and the path prefix of the address, and what stands in front of the gateway",
        );
        return false;
    }
    report.good("contact", format!("{peer} answered {}{proxy}", status.as_u16()));
    lengths(&answer, report);
    clocks(header(&answer, &DATE).as_deref(), report);
    true
}

pub async fn ready(api: &Api, report: &mut Report) {
    let answer = match api.send(Method::GET, "/-/readyz", &[], None).await {
        Ok(answer) => answer,
        Err(trouble) => return report.fail("ready", &trouble.sentence, "try again"),
    };
    let status = answer.status();
    let body: Value = answer.json().await.unwrap_or_default();
    if status == StatusCode::OK {
        return report.good("ready", "the gateway serves");
    }
    let failing = body.get("failing").and_then(Value::as_array).into_iter().flatten();
    let failing: Vec<&str> = failing.filter_map(Value::as_str).collect();
    report.fail("ready", &format!("it is not: {}", failing.join(", ")), "look into the gateway's log");
}

pub async fn who(api: &Api, report: &mut Report) {
    match api.get("/-/api/v1/account").await {
        Ok(account) => {
            let text = |key: &str| account.get(key).and_then(Value::as_str).unwrap_or("-").to_owned();
            let reached = account.get("environments").and_then(Value::as_array).into_iter().flatten();
            let reached: Vec<&str> = reached.filter_map(Value::as_str).collect();
            let (name, role, home, ends) = (text("name"), text("role"), text("home"), text("expires_at"));
            report.good("sign-in", format!("{name}, {role} in {}, pulls in {home}, until {ends}", reached.join(", ")));
        }
        Err(trouble) => report.fail(
            "sign-in",
            &trouble.sentence,
            "ask for a token: weighbridge token create, on the gateway's host",
        ),
    }
}

/// How full the store is: said to those who look after it.
pub async fn storage(api: &Api, report: &mut Report) {
    let answer = match api.get("/-/api/v1/storage").await {
        Ok(answer) => answer,
        Err(trouble) if trouble.code == "not_allowed" => {
            return report.skip("storage", "only operators and auditors may look at it");
        }
        Err(trouble) => return report.fail("storage", &trouble.sentence, "look into the gateway's log"),
    };
    let number = |key: &str| answer.get(key).and_then(Value::as_u64);
    let size = |key: &str| out::size(number(key).unwrap_or_default());
    let of = number("quota").map(|quota| format!(" of {}", out::size(quota))).unwrap_or_default();
    let [stored, may_go, free] = ["bytes", "may_go_bytes", "free_on_disk"].map(size);
    let found = format!("{stored}{of} stored, {may_go} may go, {free} free on the disk");
    match answer.get("why").and_then(Value::as_str) {
        None => report.good("storage", found),
        Some(why) => report.fail(
            "storage",
            why,
            "raise storage.quota, make room on the disk, revoke what is not needed, or set storage.evict = \"least-used\"",
        ),
    }
}

/// A revision such as refs/pr/1 is one segment of a path. The gateway answers 405 to a GET of an address that only takes
/// POST, and 404 when the segment arrives in pieces: so what is between us shows itself without anything being done.
pub async fn encoded_slash(api: &Api, report: &mut Report) {
    let address = |rev: &str| format!("/-/api/v1/environments/research/requests/models/weighbridge/doctor/{rev}");
    let next =
        "let the proxy pass paths unchanged: nginx `proxy_pass` without a path, Apache `AllowEncodedSlashes NoDecode`";
    let plain = api.send(Method::GET, &address("main"), &[], None).await.map(|answer| answer.status());
    let encoded = api.send(Method::GET, &address("refs%2Fpr%2F1"), &[], None).await.map(|answer| answer.status());
    match (plain, encoded) {
        (Ok(StatusCode::METHOD_NOT_ALLOWED), Ok(StatusCode::METHOD_NOT_ALLOWED)) => {
            report.good("%2F in paths", "arrives unchanged");
        }
        (Ok(StatusCode::METHOD_NOT_ALLOWED), Ok(other)) => {
            let found = format!("it is changed or refused on the way (answered {})", other.as_u16());
            report.fail("%2F in paths", &found, next);
        }
        (Ok(other), Ok(_)) => {
            let found = format!("the gateway's API is not there (answered {})", other.as_u16());
            report.fail(
                "%2F in paths",
                &found,
                "check the path prefix, and that the proxy passes everything under /-/",
            );
        }
        (Err(trouble), _) | (_, Err(trouble)) => report.fail("%2F in paths", &trouble.sentence, "try again"),
    }
}

pub async fn hub(config: &Config, report: &mut Report) {
    let upstream = match Upstream::new(config.upstream_settings()) {
        Ok(upstream) => upstream,
        Err(fault) => return report.fail("upstream", &fault.to_string(), "correct [upstream] in the configuration"),
    };
    for probe in upstream.probe().await {
        let what = format!("upstream {}", probe.host);
        match probe.answer {
            Ok(HostAnswer { status, took, .. }) => {
                report.good(&what, format!("answered {status} in {} ms", took.as_millis()));
            }
            Err(trouble) => {
                let refused: Vec<String> =
                    probe.addresses.iter().filter(|(_, fine)| !fine).map(|(ip, _)| ip.to_string()).collect();
                let next = if refused.is_empty() {
                    "let this host reach it: name lookup, firewall on port 443, the certificate's issuer".to_owned()
                } else {
                    format!(
                        "{} is private; set upstream.allow_private_addresses if that is your hub",
                        refused.join(", ")
                    )
                };
                report.fail(&what, &trouble.to_string(), &next);
            }
        }
    }
    for wild in config.upstream.allow_hosts.iter().filter(|name| name.starts_with("*.")) {
        report.skip(&format!("upstream {wild}"), "not one host; allow it in the firewall too");
    }
}

pub fn header(answer: &Response, name: &HeaderName) -> Option<String> {
    answer.headers().get(name).and_then(|v| v.to_str().ok()).map(str::to_owned)
}

/// Clients check lengths and nothing else: a proxy that compresses or re-chunks takes that from them.
fn lengths(answer: &Response, report: &mut Report) {
    let next = "switch off compression and buffering of answers in the proxy (nginx: gzip off; proxy_buffering off)";
    match (header(answer, &CONTENT_ENCODING), header(answer, &CONTENT_LENGTH)) {
        (None, Some(_)) => report.good("Content-Length", "arrives unchanged"),
        (Some(coding), _) => {
            report.fail("Content-Length", &format!("answers are compressed on the way ({coding})"), next);
        }
        (None, None) => report.fail("Content-Length", "it is taken away on the way", next),
    }
}

fn clocks(date: Option<&str>, report: &mut Report) {
    let Some(theirs) = date.and_then(|text| OffsetDateTime::parse(text, &Rfc2822).ok()) else {
        return report.skip("clock", "the answer has no date");
    };
    let apart = clock::now().seconds().abs_diff(theirs.unix_timestamp());
    if apart <= 30 {
        report.good("clock", format!("{apart} s apart"));
    } else {
        report.fail(
            "clock",
            &format!("{apart} s apart"),
            "set this machine's clock, or the gateway's: one of them is wrong",
        );
    }
}

const REQUEST_ID: HeaderName = HeaderName::from_static("x-request-id");
