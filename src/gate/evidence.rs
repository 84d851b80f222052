//! The evidence digest of rows: what an approval, by rule or by a person, is bound to.
//!
//! Never reads the database.

use crate::{
    domain::{
        basis,
        evidence::{Evidence, EvidenceFile, Scanned, tree_digest},
        refusal::Fault,
        rev::Commit,
    },
    store::tables::{file, knowledge, revision, standing},
};

/// The evidence digest and the tree digest of a revision whose files are all known.
pub fn digest(
    policy: &str,
    row: &revision::Model,
    commit: &Commit,
    files: &[file::Model],
    known: &knowledge::Model,
) -> Result<(String, String), Fault> {
    let mut evidence = Vec::with_capacity(files.len());
    for one in files {
        let sha256 = one.sha256.as_deref().ok_or_else(|| Fault::new("a file's digest is missing"))?;
        evidence.push(EvidenceFile {
            path: one.path.clone(),
            size: u64::try_from(one.size).unwrap_or_default(),
            git: one.git_id.parse().map_err(|e| Fault::because("reading a git id", e))?,
            sha256: sha256.parse().map_err(|e| Fault::because("reading a digest", e))?,
        });
    }
    let scan = Some(Scanned {
        rule_set: &known.scanner,
        verdict: &known.verdict,
        coverage: &known.coverage,
        findings: &known.findings_digest,
    });
    let tree = tree_digest(&evidence).to_string();
    let all = Evidence { repository_id: &row.repository_id, commit, files: &evidence, policy_version: policy, scan };
    Ok((all.digest().to_string(), tree))
}

/// What a person who approves was shown: the evidence, and the review rules that an approval answers, each with what it
/// read. When either changes, the answer is no longer one to what it was given for.
pub fn shown(evidence: &str, standing: Option<&standing::Model>) -> String {
    let rules = standing.map(|row| row.rules.as_str()).unwrap_or_default();
    basis::hash(&serde_json::json!([evidence, rules]))
}
