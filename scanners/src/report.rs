//! What a scan answers: the format, the verdict, the findings with their places, the coverage and the facts.

use serde::Serialize;

use crate::{
    coverage::{Coverage, CoverageState},
    facts::Facts,
    rules::{self, Rule, Weight},
};

/// What was seen in one file.
#[derive(Clone, Debug, Serialize)]
pub struct Report {
    /// The file's name, as it was given.
    pub path: String,
    /// What the content is.
    pub format: String,
    /// What the findings and the coverage come to.
    pub verdict: Verdict,
    /// What was seen, worst first.
    pub findings: Vec<Finding>,
    /// Which bytes were looked at.
    pub coverage: Coverage,
    /// What policy may want to know.
    pub facts: Facts,
    /// The bytes of its name, where they are no text and the name above only shows them.
    #[serde(skip)]
    pub raw_path: Option<Vec<u8>>,
}

impl Report {
    /// The same with the bytes of the file's name, for addresses.
    #[must_use]
    pub fn with_raw_path(mut self, bytes: &[u8]) -> Self {
        self.raw_path = (bytes != self.path.as_bytes()).then(|| bytes.to_vec());
        self
    }

    /// The same under another name: the path by which the reader knows the file.
    #[must_use]
    pub fn shown_as(mut self, path: &str) -> Self {
        for place in self.findings.iter_mut().map(|finding| &mut finding.place) {
            if let Some(rest) = place.path.strip_prefix(&self.path) {
                place.path = format!("{path}{rest}");
            }
        }
        path.clone_into(&mut self.path);
        self
    }
}

/// The report on a file that could not be read at all: not clean, and the reason is in the coverage.
pub fn unread(path: &str, why: &str) -> Report {
    let place = Place { path: path.to_owned(), offset: 0 };
    let message = format!("Nothing is known of this file: {why}.");
    Report {
        path: path.to_owned(),
        format: "unknown".into(),
        verdict: Verdict::Unjudged,
        findings: vec![Finding { rule: &rules::UNREADABLE, severity: rules::UNREADABLE.severity, place, message }],
        coverage: Coverage::none(why),
        facts: Facts::default(),
        raw_path: None,
    }
}

/// What the findings and the coverage come to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Everything was looked at and nothing was found.
    Clean,
    /// Nothing was found, but not everything was looked at.
    Unjudged,
    /// Something that a person should look at. Coverage says for itself whether all was seen.
    Suspicious,
    /// Loading it would harm. Coverage says for itself whether all was seen.
    Malicious,
}

impl Verdict {
    /// The word that goes into files and on screens.
    pub fn word(self) -> &'static str {
        match self {
            Verdict::Clean => "clean",
            Verdict::Unjudged => "unjudged",
            Verdict::Suspicious => "suspicious",
            Verdict::Malicious => "malicious",
        }
    }

    pub(crate) fn of(worst: Option<Weight>, coverage: CoverageState) -> Self {
        match worst {
            Some(Weight::Malicious) => Verdict::Malicious,
            Some(Weight::Suspicious) => Verdict::Suspicious,
            _ if coverage == CoverageState::Complete => Verdict::Clean,
            _ => Verdict::Unjudged,
        }
    }
}

/// One thing that was seen.
#[derive(Clone, Debug, Serialize)]
pub struct Finding {
    /// The rule it comes under.
    #[serde(serialize_with = "rule_id")]
    pub rule: &'static Rule,
    /// The rule's severity.
    pub severity: crate::rules::Severity,
    /// Where it was seen.
    #[serde(serialize_with = "place_text")]
    pub place: Place,
    /// A sentence that a person understands without reading code.
    pub message: String,
}

/// Where something was seen: `file!member!member@offset`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Place {
    /// `model.pt!archive/data.pkl`
    pub path: String,
    /// The byte within the innermost of those.
    pub offset: u64,
}

impl std::fmt::Display for Place {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}@{}", self.path, self.offset)
    }
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this form")]
fn rule_id<S: serde::Serializer>(rule: &&'static Rule, out: S) -> Result<S::Ok, S::Error> {
    out.serialize_str(rule.id)
}

fn place_text<S: serde::Serializer>(place: &Place, out: S) -> Result<S::Ok, S::Error> {
    out.collect_str(place)
}
