//! Reports as SARIF 2.1.0, for code-scanning screens.
//!
//! A finding becomes a result; a file that could not be judged becomes a notification, so that a screen without results
//! never means "all clean" where it was not.

use std::fmt::Write as _;

use serde_json::{Value, json};

use crate::{
    report::{Report, Verdict},
    rules::{self, Rule, Severity},
};

/// One SARIF log for these reports.
pub fn sarif(reports: &[Report]) -> Value {
    let results: Vec<Value> = reports.iter().flat_map(results).collect();
    let unjudged: Vec<Value> = reports.iter().filter_map(notification).collect();
    json!({
        "$schema": "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json",
        "version": "2.1.0",
        "runs": [{
            "tool": { "driver": {
                "name": "Weighbridge",
                "semanticVersion": crate::VERSION,
                "rules": rules::ALL.iter().map(|rule| describe(rule)).collect::<Vec<_>>(),
            }},
            "invocations": [{ "executionSuccessful": unjudged.is_empty(), "toolExecutionNotifications": unjudged }],
            "artifacts": reports.iter().map(|report| json!({
                "location": { "uri": uri(report) },
                "length": report.coverage.inspected + report.coverage.inert + report.coverage.unscanned,
                "properties": { "verdict": report.verdict, "format": report.format, "coverage": report.coverage.state },
            })).collect::<Vec<_>>(),
            "results": results,
            "columnKind": "unicodeCodePoints",
        }],
    })
}

fn describe(rule: &Rule) -> Value {
    let tags: Vec<String> = rule
        .cwe
        .iter()
        .map(|number| format!("external/cwe/cwe-{number:03}"))
        .chain((!rule.atlas.is_empty()).then(|| format!("external/atlas/{}", rule.atlas)))
        .chain(["security".to_owned()])
        .collect();
    json!({
        "id": rule.id,
        "shortDescription": { "text": format!("{}.", rule.title) },
        // The page itself: there is no address that is the same for everyone who reads this.
        "help": { "text": rule.page, "markdown": rule.page },
        "defaultConfiguration": { "level": level(rule.severity) },
        "properties": { "tags": tags, "security-severity": score(rule.severity) },
    })
}

fn results(report: &Report) -> Vec<Value> {
    let one = |finding: &crate::report::Finding| {
        let member = finding.place.path.strip_prefix(&report.path).unwrap_or_default().trim_start_matches('!');
        let mut location = json!({
            "physicalLocation": { "artifactLocation": { "uri": uri(report) } },
        });
        if member.is_empty() {
            location["physicalLocation"]["region"] = json!({ "byteOffset": finding.place.offset, "byteLength": 0 });
        } else {
            // The offset counts within the member, so that it is no region of the file.
            location["logicalLocations"] =
                json!([{ "fullyQualifiedName": format!("{member}@{}", finding.place.offset), "kind": "member" }]);
        }
        let index = rules::ALL.iter().position(|rule| rule.id == finding.rule.id);
        json!({
            "ruleId": finding.rule.id,
            "ruleIndex": index,
            "level": level(finding.severity),
            "message": { "text": finding.message },
            "locations": [location],
        })
    };
    report.findings.iter().map(one).collect()
}

/// What keeps a file from being judged.
fn notification(report: &Report) -> Option<Value> {
    let reason = report.coverage.reason.as_deref()?;
    let level = if report.verdict == Verdict::Unjudged { "error" } else { "warning" };
    let text = format!("{} was not looked at completely: {reason}", report.path);
    let location = json!({ "physicalLocation": { "artifactLocation": { "uri": uri(report) } } });
    Some(json!({ "level": level, "message": { "text": text }, "locations": [location] }))
}

fn level(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical | Severity::High => "error",
        Severity::Medium => "warning",
        Severity::Low | Severity::Info => "note",
    }
}

/// The scale of code-scanning screens, 0 to 10.
fn score(severity: Severity) -> &'static str {
    match severity {
        Severity::Critical => "9.5",
        Severity::High => "8.0",
        Severity::Medium => "5.0",
        Severity::Low => "3.0",
        Severity::Info => "0.5",
    }
}

/// The file's path as a relative address: everything but plain characters and slashes is written as percent and two digits,
/// byte by byte, so that it leads to the file whatever its name is.
fn uri(report: &Report) -> String {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-._~/".contains(&byte);
    let bytes = report.raw_path.as_deref().unwrap_or(report.path.as_bytes());
    bytes.iter().fold(String::new(), |mut out, byte| {
        if plain(*byte) {
            out.push(char::from(*byte));
        } else {
            let _ = write!(out, "%{byte:02X}");
        }
        out
    })
}
