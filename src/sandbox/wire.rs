//! What stands in the frames: the setup, the subject, and the report as the gateway is willing to believe it.
//!
//! A report comes from a process that a file may have taken over. It is read into closed types, within bounds, and what can
//! be worked out here is not taken from there: severities and weights come from the table of rules, sums and verdict from
//! the findings and the stretches. Never repairs anything: a report that does not hold together is no report.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use weighbridge_scanners::{
    Coverage, CoverageState, Extent, Facts, Finding, GlobalFact, Neighbours, Place, Report, Seen, TemplateFact,
    TensorFact, TensorPlace, Verdict,
    rules::{self, Weight},
};

use super::strength::Strength;

/// The first frame to a child.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Setup {
    pub(super) memory_bytes: u64,
    pub(super) neighbours: Option<Neighbours>,
}

/// The first frame from a child, sent before it has seen a byte of any file.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Hello {
    /// The version of the code that judges.
    pub(super) version: String,
    pub(super) strength: Strength,
}

/// What is to be scanned.
#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Task {
    pub(super) name: String,
    pub(super) size: u64,
    /// Whether its bytes are on this side of the network, so that asking costs nothing.
    pub(super) here: bool,
}

/// A report on its way out of the child.
#[derive(Serialize)]
struct Sent<'a> {
    report: &'a Report,
    /// Start and end of each stretch, and what was done with it.
    extents: Vec<(u64, u64, Seen)>,
    /// Which tensor it is, and the start and end of its numbers.
    places: Vec<(usize, u64, u64)>,
}

/// A report for the gateway.
pub(super) fn write(report: &Report) -> Result<Vec<u8>, serde_json::Error> {
    let extents = report.coverage.extents.iter().map(|extent| (extent.start, extent.end, extent.seen)).collect();
    let places = report.facts.places.iter().map(|place| (place.tensor, place.start, place.end)).collect();
    serde_json::to_vec(&Sent { report, extents, places })
}

/// Reads what a child says of the file `name` of `size` bytes. The error says what does not hold together.
pub(super) fn read(payload: &[u8], name: &str, size: u64) -> Result<Report, String> {
    // What serde says of it quotes it, and it is not ours.
    let told: Told = serde_json::from_slice(payload).map_err(|error| format!("no report ({:?})", error.classify()))?;
    let report = told.report;
    if report.path != name {
        return Err("a report on another file".into());
    }
    if report.format.is_empty() || report.format.len() > 100 || !report.format.bytes().all(|b| (32..127).contains(&b)) {
        return Err("a format that is none".into());
    }
    let findings = report.findings.into_iter().map(|finding| finding.read(name)).collect::<Result<Vec<_>, _>>()?;
    let coverage = report.coverage.read(told.extents, size)?;
    let worst = findings.iter().map(|finding| finding.rule.weight).max();
    let verdict = match worst {
        Some(Weight::Malicious) => Verdict::Malicious,
        Some(Weight::Suspicious) => Verdict::Suspicious,
        _ if coverage.state == CoverageState::Complete => Verdict::Clean,
        _ => Verdict::Unjudged,
    };
    if report.verdict != verdict.word() {
        return Err("a verdict that does not follow from its findings".into());
    }
    let facts = report.facts.read(told.places, size)?;
    Ok(Report { path: report.path, format: report.format, verdict, findings, coverage, facts, raw_path: None })
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Told {
    report: ToldReport,
    extents: Vec<(u64, u64, ToldSeen)>,
    places: Vec<(usize, u64, u64)>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldReport {
    path: String,
    format: String,
    verdict: String,
    findings: Vec<ToldFinding>,
    coverage: ToldCoverage,
    facts: ToldFacts,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldFinding {
    rule: String,
    #[serde(rename = "severity")]
    _severity: serde::de::IgnoredAny,
    /// `file!member@offset`
    place: String,
    message: String,
}

impl ToldFinding {
    fn read(self, name: &str) -> Result<Finding, String> {
        let Self { rule, place, message, .. } = self;
        let rule = *rules::ALL.iter().find(|known| known.id == rule).ok_or("a rule that does not exist")?;
        let (path, offset) = place.rsplit_once('@').ok_or("a place that is none")?;
        let offset = offset.parse().map_err(|_| "a place that is none")?;
        let within = path.strip_prefix(name).is_some_and(|rest| rest.is_empty() || rest.starts_with('!'));
        if !within {
            return Err("a finding in another file".into());
        }
        // The scanner escapes what a file made up, and cuts it: what is not like that was not written by it.
        if message.len() > MESSAGE || message.chars().any(char::is_control) {
            return Err("a message that the scanner does not write".into());
        }
        Ok(Finding { rule, severity: rule.severity, place: Place { path: path.to_owned(), offset }, message })
    }
}

/// The longest message in bytes: the scanner stops after 400.
const MESSAGE: usize = 500;

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ToldSeen {
    Unscanned,
    Inert,
    Inspected,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldCoverage {
    state: ToldState,
    inspected: u64,
    inert: u64,
    unscanned: u64,
    reason: Option<String>,
}

#[derive(Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
enum ToldState {
    Complete,
    Incomplete,
    Unsupported,
}

impl ToldCoverage {
    fn read(self, stretches: Vec<(u64, u64, ToldSeen)>, size: u64) -> Result<Coverage, String> {
        let mut at = 0;
        let (mut inspected, mut inert, mut unscanned) = (0, 0, 0);
        let mut extents = Vec::with_capacity(stretches.len());
        for (start, end, seen) in stretches {
            if start != at || end <= start || end > size {
                return Err("stretches that are not the file".into());
            }
            at = end;
            let (seen, sum) = match seen {
                ToldSeen::Unscanned => (Seen::Unscanned, &mut unscanned),
                ToldSeen::Inert => (Seen::Inert, &mut inert),
                ToldSeen::Inspected => (Seen::Inspected, &mut inspected),
            };
            *sum += end - start;
            extents.push(Extent { start, end, seen });
        }
        if at != size || (self.inspected, self.inert, self.unscanned) != (inspected, inert, unscanned) {
            return Err("stretches that are not the file".into());
        }
        let complete = self.state == ToldState::Complete;
        if complete && unscanned > 0 || complete != self.reason.is_none() {
            return Err("a coverage that does not follow from its stretches".into());
        }
        let state = match self.state {
            ToldState::Complete => CoverageState::Complete,
            ToldState::Incomplete => CoverageState::Incomplete,
            ToldState::Unsupported => CoverageState::Unsupported,
        };
        Ok(Coverage { state, inspected, inert, unscanned, reason: self.reason, extents })
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields, default)]
#[derive(Default)]
struct ToldFacts {
    globals: Vec<ToldGlobal>,
    imports: BTreeSet<String>,
    remote_code: BTreeSet<String>,
    templates: Vec<ToldTemplate>,
    licences: BTreeSet<String>,
    references: BTreeSet<String>,
    tensors: Vec<ToldTensor>,
    archive_depth: u32,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldGlobal {
    module: String,
    name: String,
    tier: String,
    package: String,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldTemplate {
    name: String,
    bytes: usize,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ToldTensor {
    name: String,
    dtype: String,
    shape: Vec<u64>,
}

impl ToldFacts {
    fn read(self, places: Vec<(usize, u64, u64)>, size: u64) -> Result<Facts, String> {
        let tensors = self.tensors.len();
        // Each tensor lies in one place at most, and they are told in order.
        let mut last = None;
        let place = |(tensor, start, end): (usize, u64, u64)| {
            let sound = tensor < tensors && last.is_none_or(|last| last < tensor) && start <= end && end <= size;
            last = Some(tensor);
            sound.then_some(TensorPlace { tensor, start, end }).ok_or("a tensor in a place that is none")
        };
        let places = places.into_iter().map(place).collect::<Result<_, _>>()?;
        if self.archive_depth > DEEPEST {
            return Err("archives deeper than any that are read".into());
        }
        let global = |told: ToldGlobal| {
            let tier = TIERS.into_iter().find(|tier| *tier == told.tier).ok_or("a tier that does not exist")?;
            Ok::<_, String>(GlobalFact { module: told.module, name: told.name, tier, package: told.package })
        };
        Ok(Facts {
            globals: self.globals.into_iter().map(global).collect::<Result<_, _>>()?,
            imports: self.imports,
            remote_code: self.remote_code,
            templates: self.templates.into_iter().map(|t| TemplateFact { name: t.name, bytes: t.bytes }).collect(),
            licences: self.licences,
            references: self.references,
            tensors: self
                .tensors
                .into_iter()
                .map(|t| TensorFact { name: t.name, dtype: t.dtype, shape: t.shape })
                .collect(),
            places,
            archive_depth: self.archive_depth,
        })
    }
}

/// The scanner stops before this.
const DEEPEST: u32 = 64;

/// The words of `GlobalFact::tier`.
const TIERS: [&str; 6] = ["inert", "framework", "unknown", "code", "gadget", "execution"];
