//! What is known of a revision, in the words that policy reads: from the hub's answers, the card, and the scanner's reports.
//!
//! A thing nobody knows is left missing; the rules say what that means. Never decides.

use std::{collections::BTreeSet, sync::LazyLock};

use serde_json::{Value, json};

use super::described::{declared, describe};
use crate::{
    domain::{
        basis,
        facts::{Facts, Field, Group},
        refusal::Fault,
        time::Micros,
    },
    store::tables::{report, repository, revision},
};

/// What facts are drawn with: this program, and the lists that it knows. When it changes, so may every fact.
pub static VERSION: LazyLock<String> =
    LazyLock::new(|| basis::hash(&json!([env!("CARGO_PKG_VERSION"), PACKAGES, LICENCES])));

/// Everything that facts are drawn from.
pub struct Sources<'a> {
    pub repository: &'a repository::Model,
    pub revision: &'a revision::Model,
    pub reports: &'a [Report],
    /// No branch leads to the commit.
    pub pull_request_only: bool,
    /// How well the owner of the repository is known.
    pub tier: &'a str,
    pub nearest_name: i64,
    /// How the repository stands at the hub now, when it is not simply there.
    pub hub: Option<&'a str>,
    /// An earlier revision of it was approved under another owner.
    pub reused: bool,
    pub at: Micros,
}

/// A report with its body read.
pub struct Report {
    pub row: report::Model,
    pub size: u64,
    body: Value,
}

impl Report {
    pub fn read(row: report::Model, size: u64) -> Self {
        let body = serde_json::from_str(&row.body).unwrap_or_default();
        Self { row, size, body }
    }

    pub fn list(&self, fact: &str) -> &[Value] {
        self.body["facts"][fact].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    pub fn findings(&self) -> &[Value] {
        self.body["findings"].as_array().map(Vec::as_slice).unwrap_or_default()
    }

    fn has_rule(&self, rules: &[&str]) -> bool {
        self.findings().iter().any(|one| one["rule"].as_str().is_some_and(|id| rules.contains(&id)))
    }

    /// Whether a pickle is in it: every pickle names something, and where none does, its format says so.
    pub fn is_pickle(&self) -> bool {
        !self.list("globals").is_empty() || PICKLES.contains(&self.row.format.as_str())
    }

    pub fn is_clean(&self) -> bool {
        self.row.verdict == "clean"
    }

    /// How many tensors it has.
    pub fn tensors(&self) -> u64 {
        self.body["facts"]["tensors"]["count"].as_u64().unwrap_or_default()
    }

    /// What came of comparing it with the safe weights beside it, if that was done.
    pub fn twin(&self) -> Option<&Value> {
        Some(&self.body["twin"]).filter(|twin| twin.is_object())
    }

    /// How deep archives stand in archives in it; one that holds none is 1.
    fn archive_depth(&self) -> i64 {
        self.body["facts"]["archive_depth"].as_i64().unwrap_or_default()
    }

    fn is_code(&self) -> bool {
        CODE.contains(&self.row.format.as_str())
    }

    /// Weights that hold nothing but numbers, in a format that cannot hold anything else.
    pub fn is_safe_weights(&self) -> bool {
        matches!(self.row.format.as_str(), "safetensors" | "gguf")
    }

    /// What no loader runs: pictures, tables, texts.
    fn is_data(&self) -> bool {
        DATA.contains(&self.row.format.as_str())
    }

    fn worst_severity(&self) -> usize {
        let of = |one: &Value| SEVERITIES.iter().position(|word| one["severity"] == **word).unwrap_or_default();
        self.findings().iter().map(of).max().unwrap_or_default()
    }
}

/// What is known of a revision whatever environment it is for, with `hidden` files left out where the rules say so.
pub fn of_revision(from: &Sources<'_>, hidden: &BTreeSet<String>) -> Result<Facts, Fault> {
    let mut facts = Facts::of(Group::Revision);
    scanned(&mut facts, from, hidden)?;
    told(&mut facts, from)?;
    describe(&mut facts, from)?;
    Ok(facts)
}

fn scanned(facts: &mut Facts, from: &Sources<'_>, hidden: &BTreeSet<String>) -> Result<(), Fault> {
    let (reports, at) = (from.reports, from.at);
    let mut set = |field, value: crate::domain::facts::Value| facts.set(field, value, "scan", at);
    let any = |rules: &[&str]| reports.iter().any(|one| one.has_rule(rules));
    let count =
        |is: &dyn Fn(&Report) -> bool| i64::try_from(reports.iter().filter(|one| is(one)).count()).unwrap_or(i64::MAX);
    let worst = |words: &[&'static str], of: &dyn Fn(&Report) -> usize| {
        let worst = reports.iter().map(of).max().unwrap_or_default();
        words.get(worst).copied().unwrap_or_default()
    };
    let rank = |words: &[&str], word: &str| words.iter().position(|one| *one == word).unwrap_or(words.len() - 1);
    let malicious = reports.iter().any(|one| one.row.verdict == "malicious");
    let coverage = worst(COVERAGES, &|one| rank(COVERAGES, &one.row.coverage));
    let verdict = worst(VERDICTS, &|one| rank(VERDICTS, &one.row.verdict));
    let left = |one: &Report| !hidden.contains(&one.row.path);
    let code = count(&|one| one.is_code());
    let remote: BTreeSet<&str> =
        reports.iter().flat_map(|one| one.list("remote_code")).filter_map(Value::as_str).collect();
    let plain = coverage == "complete"
        && reports.iter().filter(|one| left(one)).all(Report::is_clean)
        && code == 0
        && remote.is_empty()
        && reports.iter().filter(|one| left(one)).all(|one| one.is_safe_weights() || one.is_data());
    let size: u64 = reports.iter().map(|one| one.size).sum();
    set(Field::Malicious, malicious.into())?;
    set(Field::Coverage, coverage.into())?;
    set(Field::Verdict, verdict.into())?;
    set(Field::MaxSeverity, worst(SEVERITIES, &Report::worst_severity).into())?;
    set(Field::HasPickle, reports.iter().any(Report::is_pickle).into())?;
    set(Field::PicklesLeft, count(&|one| one.is_pickle() && left(one)).into())?;
    let weights = |one: &Report| left(one) && !one.is_data() && !one.is_code();
    set(Field::SafetensorsOnly, reports.iter().filter(|one| weights(one)).all(Report::is_safe_weights).into())?;
    set(Field::Plain, plain.into())?;
    set(Field::Executables, count(&|one| one.has_rule(&["WB-EXE-001", "WB-EXE-003", "WB-EXE-004"])).into())?;
    // What is nested deeper than the scanner goes is deeper than any rule allows.
    let deepest = reports.iter().map(Report::archive_depth).max().unwrap_or_default();
    set(Field::ArchiveDepth, if any(&["WB-ZIP-012"]) { deepest.max(9) } else { deepest }.into())?;
    set(Field::ArchiveRatioHigh, any(&["WB-ZIP-009"]).into())?;
    let leaves = ["WB-ZIP-007", "WB-ZIP-008", "WB-ARC-001", "WB-STS-006", "WB-CFG-006", "WB-ONX-001"];
    set(Field::PathTraversal, any(&leaves).into())?;
    set(Field::Secrets, count(&|one| one.has_rule(&["WB-SEC-001"])).into())?;
    set(Field::RemoteCode, (!remote.is_empty()).into())?;
    let foreign = remote.iter().any(|one| one.contains("--"));
    set(Field::ExternalCode, if foreign { "unapproved" } else { "none" }.into())?;
    set(Field::CodeFiles, code.into())?;
    set(Field::UnknownImports, strangers(reports).into())?;
    set(
        Field::NetworkCalls,
        count(&|one| one.is_code() && one.has_rule(&["WB-PYC-001", "WB-PYC-004", "WB-PYC-008"])).into(),
    )?;
    let risky = ["WB-TPL-001", "WB-TPL-002", "WB-TPL-003", "WB-TPL-004", "WB-TPL-006"];
    set(Field::TemplateRisky, any(&risky).into())?;
    set(Field::SizeMib, (size >> 20).into())?;
    set(Field::FileCount, (reports.len() as u64).into())
}

/// What the hub and the card say.
fn told(facts: &mut Facts, from: &Sources<'_>) -> Result<(), Fault> {
    let at = from.at;
    let said: Value = serde_json::from_str(&from.revision.facts).unwrap_or_default();
    let card = &said["hub"]["card"];
    // A card that was too large to be kept whole may say more than is known.
    let cut = said["hub"]["cut"] == true;
    let family = if cut { "unknown" } else { licence(card, &said["hub"]["tags"]) };
    facts.set(Field::LicenseFamily, family, "card", at)?;
    facts.set(Field::PublisherTier, published_by(from), "policy", at)?;
    facts.set(Field::ProhibitedSupplier, from.tier == "prohibited", "policy", at)?;
    facts.set(Field::TyposquatDistance, from.nearest_name, "catalogue", at)?;
    // A name that came to mean another repository is not listed at all (`list::repository_id`).
    facts.set(Field::NamespaceReused, from.reused, "hub", at)?;
    facts.set(Field::PullRequestOnly, from.pull_request_only, "hub", at)?;
    facts.set(Field::Internal, published_by(from) == "own", "policy", at)?;
    if let Some(date) = from.revision.committed_at {
        facts.set(Field::PublishedAt, Micros(date), "hub", at)?;
    }
    facts.set(Field::FirstSeenAt, Micros(from.revision.listed_at), "here", at)?;
    if !cut {
        facts.set(Field::CapabilityFlags, flags(&said["hub"]["tags"], &from.repository.name), "card", at)?;
    }
    // As it was when the revision was listed: terms that come later take nothing away from what was approved.
    let gated = match said["gated"].as_str() {
        None => "no",
        Some("auto") => "auto",
        Some(_) => "manual",
    };
    facts.set(Field::Gated, gated, "hub", at)?;
    let private = said["private"] == true || from.hub == Some("private");
    let disabled = said["disabled"] == true || from.hub == Some("disabled");
    // Gone, or gone under this name because somebody else has it now.
    let gone = matches!(from.hub, Some("gone" | "taken"));
    facts.set(Field::Private, private, "hub", at)?;
    facts.set(
        Field::UpstreamState,
        if disabled {
            "disabled"
        } else if private {
            "private"
        } else if gone {
            "gone"
        } else {
            "live"
        },
        "hub",
        at,
    )?;
    facts.set(Field::EnginesDisagree, disagree(&said["hub"]["security_repo_status"], from.reports), "hub", at)?;
    Ok(())
}

/// How well it is known who published a commit. What stands in pull requests only may be anybody's; in a repository of which
/// nothing may be taken it stays so.
fn published_by<'a>(from: &Sources<'a>) -> &'a str {
    if from.pull_request_only && from.tier != "prohibited" { "unknown" } else { from.tier }
}

/// Whether the card said more than was kept of it.
pub fn is_cut(revision: &revision::Model) -> bool {
    let said: Value = serde_json::from_str(&revision.facts).unwrap_or_default();
    said["hub"]["cut"] == true
}

/// The names of the models that this one is made from, as the card says.
pub fn base_models(revision: &revision::Model) -> Vec<String> {
    let said: Value = serde_json::from_str(&revision.facts).unwrap_or_default();
    match &said["hub"]["card"]["base_model"] {
        Value::String(one) => vec![one.clone()],
        Value::Array(all) => all.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
        _ => Vec::new(),
    }
}

/// Packages that code of the revision imports, that are not in the list of known ones and are no file beside it.
fn strangers(reports: &[Report]) -> i64 {
    let beside: BTreeSet<&str> = reports
        .iter()
        .flat_map(|one| one.row.path.split('/'))
        .map(|part| part.strip_suffix(".py").unwrap_or(part))
        .collect();
    let imports: BTreeSet<&str> = reports
        .iter()
        .filter(|one| one.is_code())
        .flat_map(|one| one.list("imports"))
        .filter_map(Value::as_str)
        .collect();
    let known =
        |name: &&&str| PACKAGES.lines().any(|line| line == **name) || beside.contains(**name) || name.is_empty();
    i64::try_from(imports.iter().filter(|name| !known(name)).count()).unwrap_or(i64::MAX)
}

/// Whether the hub's own scanners call a file unsafe that ours calls clean.
fn disagree(status: &Value, reports: &[Report]) -> bool {
    let issues = status["filesWithIssues"].as_array().map(Vec::as_slice).unwrap_or_default();
    issues.iter().any(|one| {
        let unsafe_there = one["level"].as_str().is_some_and(|level| matches!(level, "unsafe" | "suspicious"));
        unsafe_there && reports.iter().any(|mine| one["path"] == *mine.row.path && mine.is_clean())
    })
}

/// The family of the licence that the card declares. What files name can contradict it and never replaces it: a config
/// says `mit` faster than anybody reads a licence.
fn licence(card: &Value, tags: &Value) -> &'static str {
    declared(card, tags).and_then(|id| family_of(&id)).unwrap_or("unknown")
}

/// The family of a licence that is in the list.
pub fn family_of(id: &str) -> Option<&'static str> {
    let (_, family) = LICENCES.lines().filter_map(|line| line.split_once(' ')).find(|(known, _)| *known == id)?;
    FAMILIES.iter().find(|known| **known == family).copied()
}

fn flags(tags: &Value, name: &str) -> BTreeSet<String> {
    let mut words: Vec<String> =
        tags.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_lowercase).collect();
    words.push(name.to_lowercase());
    let any = |needles: &[&str]| words.iter().any(|word| needles.iter().any(|needle| word.contains(needle)));
    let mut flags = BTreeSet::new();
    if any(&["uncensored", "abliterated"]) {
        flags.insert("uncensored".to_owned());
    }
    if any(&["face-recognition", "biometric", "speaker-verification"]) {
        flags.insert("biometric".to_owned());
    }
    if any(&["bio-chem", "toxicology", "virology"]) {
        flags.insert("bio-chem".to_owned());
    }
    flags
}

const COVERAGES: &[&str] = &["complete", "incomplete", "unsupported"];
const VERDICTS: &[&str] = &["clean", "unjudged", "suspicious", "malicious"];
const SEVERITIES: &[&str] = &["none", "info", "low", "medium", "high", "critical"];
/// Formats that are pickles even where they name nothing.
const PICKLES: &[&str] = &["pickle", "torch checkpoint", "torch legacy", "torch tar", "joblib zfile", "torch package"];
/// Formats that a person writes and a machine runs.
const CODE: &[&str] = &[
    "python",
    "notebook",
    "script",
    "python bytecode",
    "python with other bytes",
    "r script",
    "python paths",
    "dockerfile",
];
/// Formats that no loader runs.
const DATA: &[&str] = &[
    "json",
    "text",
    "yaml",
    "jinja",
    "markdown",
    "html",
    "ini",
    "toml",
    "requirements",
    "protobuf text",
    "empty",
    "pdf",
    "png",
    "gif",
    "jpeg",
    "webp",
    "bmp",
    "tiff",
    "ico",
    "netpbm",
    "wav",
    "mp3",
    "mp4",
    "ogg",
    "flac",
    "midi",
    "avi",
    "matroska",
    "font",
    "parquet",
    "arrow",
    "arrow stream",
    "sqlite",
    "tfrecord",
    "sentencepiece",
    "modelfile",
];
const FAMILIES: &[&str] = &[
    "permissive",
    "weak-copyleft",
    "strong-copyleft",
    "rail",
    "community",
    "non-commercial",
    "research",
    "proprietary",
    "unknown",
];
/// Packages that model code ordinarily imports: a name a line.
const PACKAGES: &str = include_str!("../../policies/packages.txt");
/// Licence ids of the hub with the family they belong to.
const LICENCES: &str = include_str!("../../policies/licences.txt");

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_licence_has_a_family_or_is_unknown() {
        let of = |card: Value| licence(&card, &json!(["license:mit"]));
        assert_eq!(of(json!({"license": "Apache-2.0"})), "permissive");
        assert_eq!(of(json!({"license": "cc-by-nc-4.0"})), "non-commercial");
        assert_eq!(of(json!({"license": "gpl-3.0"})), "strong-copyleft");
        assert_eq!(of(json!({})), "permissive");
        assert_eq!(of(json!({"license": ["mit", "gpl-3.0"]})), "unknown");
        assert_eq!(of(json!({"license": "made-up"})), "unknown");
        for line in LICENCES.lines() {
            let (id, family) = line.split_once(' ').unwrap_or_default();
            assert!(!id.is_empty() && FAMILIES.contains(&family), "{line}");
        }
    }

    #[test]
    fn a_package_nobody_knows_is_counted_and_a_file_beside_is_not() {
        let report = |path: &str, imports: Value| {
            let body = json!({"facts": {"imports": imports}, "findings": []}).to_string();
            let row = report::Model {
                revision_id: String::new(),
                path: path.to_owned(),
                bytes_id: String::new(),
                scanner: String::new(),
                siblings: String::new(),
                stage: String::new(),
                format: "python".to_owned(),
                verdict: "clean".to_owned(),
                coverage: "complete".to_owned(),
                body,
                ranges: String::new(),
                made_at: 0,
            };
            Report::read(row, 1)
        };
        let all = [
            report("modeling_x.py", json!(["torch", "configuration_x", "os"])),
            report("configuration_x.py", json!(["transformers", "leftpadd"])),
        ];
        assert_eq!(strangers(&all), 1);
    }
}
