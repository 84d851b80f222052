//! How far what is served here is behind the hub, and how old what is known of the hub is. Changes nothing.

use serde_json::Value;
use time::{OffsetDateTime, format_description::well_known::Rfc3339};

use super::Report;
use crate::{cli::api::Api, clock};

/// One line for everything that follows, and one for each pointer that does not.
pub async fn pointers(api: &Api, report: &mut Report) {
    let mut all = Vec::new();
    for kind in ["models", "datasets", "spaces"] {
        match api.get(&format!("/-/api/v1/pointers/{kind}")).await {
            Ok(told) => all.extend(told["pointers"].as_array().cloned().unwrap_or_default()),
            Err(trouble) => return report.skip("behind the hub", &trouble.sentence),
        }
    }
    if all.is_empty() {
        return report.skip("behind the hub", "nothing is approved here yet");
    }
    let now = clock::now().seconds();
    let oldest = all.iter().filter_map(|one| age(one, now)).max();
    let looked =
        oldest.map_or_else(|| "the hub was never asked".to_owned(), |age| format!("looked at {} ago", span(age)));
    let (behind, elsewhere) = (lines(&all, late, now), lines(&all, not_live, now));
    let following = all.len() - behind.len();
    report.good(
        "behind the hub",
        format!("{following} of {} branches and tags are where the hub's are; all {looked}", all.len()),
    );
    let most = 10;
    for (what, found) in [("behind", &behind), ("at the hub", &elsewhere)] {
        for line in found.iter().take(most) {
            report.good(what, line);
        }
        if found.len() > most {
            report.good(what, format!("and {} more: GET /-/api/v1/pointers/models tells all", found.len() - most));
        }
    }
}

fn lines(all: &[Value], of: fn(&Value) -> Option<String>, now: i64) -> Vec<String> {
    let line = |one: &Value| {
        let looked = age(one, now).map(|age| format!(" (looked at {} ago)", span(age))).unwrap_or_default();
        of(one).map(|what| format!("{} {}: {what}{looked}", text(one, "repo"), text(one, "pointer")))
    };
    all.iter().filter_map(line).collect()
}

/// The hub has moved on: how far, and how what is there stands here.
fn late(one: &Value) -> Option<String> {
    let (ours, theirs) = (text(one, "commit"), one["upstream_commit"].as_str()?);
    if ours == theirs {
        return None;
    }
    let far = match one["behind"].as_u64() {
        Some(1) => "1 commit behind".to_owned(),
        Some(commits) => format!("{commits} commits behind"),
        None => "not on the hub's branch any more".to_owned(),
    };
    let reason = one["upstream_reason"].as_str().filter(|reason| !reason.is_empty());
    let reason = reason.map(|reason| format!(": {reason}")).unwrap_or_default();
    let theirs = theirs.get(..12).unwrap_or(theirs);
    Some(format!("{far}; {theirs} there is {}{reason}", text(one, "upstream_standing")))
}

fn not_live(one: &Value) -> Option<String> {
    (one["upstream"] != "live").then(|| format!("{} What is approved stays served.", text(one, "upstream_why")))
}

fn text<'a>(one: &'a Value, key: &str) -> &'a str {
    one[key].as_str().unwrap_or("-")
}

fn age(one: &Value, now: i64) -> Option<i64> {
    let at = OffsetDateTime::parse(one["checked_at"].as_str()?, &Rfc3339).ok()?;
    Some((now - at.unix_timestamp()).max(0))
}

fn span(seconds: i64) -> String {
    match seconds {
        0..60 => format!("{seconds} s"),
        60..3600 => format!("{} min", seconds / 60),
        3600..172_800 => format!("{} h", seconds / 3600),
        _ => format!("{} days", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn who_is_behind_is_told_with_how_far_and_why() {
        let (a, b) = ("a".repeat(40), "b".repeat(40));
        let same = json!({"repo": "x/y", "pointer": "main", "commit": a, "upstream_commit": a, "behind": 0, "upstream": "live"});
        assert_eq!((late(&same), not_live(&same)), (None, None));
        let behind = json!({"repo": "x/y", "pointer": "main", "commit": a, "upstream_commit": b, "behind": 2,
            "upstream_standing": "denied", "upstream_reason": "W-001 Malicious", "upstream": "disabled",
            "upstream_why": "The hub has disabled x/y.", "checked_at": "2026-01-01T00:00:00.000Z"});
        let now = 1_767_225_600 + 7300;
        let told = [late, not_live].map(|of| lines(std::slice::from_ref(&behind), of, now).concat());
        assert_eq!(
            told,
            [
                "x/y main: 2 commits behind; bbbbbbbbbbbb there is denied: W-001 Malicious (looked at 2 h ago)",
                "x/y main: The hub has disabled x/y. What is approved stays served. (looked at 2 h ago)",
            ]
        );
    }
}
