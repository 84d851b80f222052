//! The evidence digest: one hash over everything an approval rests on.
//!
//! It covers the tree with every file's sha256, the verdict, coverage, findings, licence, lineage and policy version;
//! no counters and no clocks, so that the same facts always give the same digest.

use aws_lc_rs::digest;
use serde_json::{Value, json};

use super::{
    digest::{GitId, Sha256},
    rev::Commit,
};

/// One file as the evidence sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct EvidenceFile {
    pub path: String,
    pub size: u64,
    pub git: GitId,
    pub sha256: Sha256,
}

/// What is known about a revision when somebody decides. A fact nobody has yet is `missing`, never left out.
#[derive(Clone, Debug)]
pub struct Evidence<'a> {
    pub repository_id: &'a str,
    pub commit: &'a Commit,
    pub files: &'a [EvidenceFile],
    pub policy_version: &'a str,
    pub scan: Option<Scanned<'a>>,
}

/// What the scanner saw, over all files.
#[derive(Clone, Copy, Debug)]
pub struct Scanned<'a> {
    pub rule_set: &'a str,
    pub verdict: &'a str,
    pub coverage: &'a str,
    /// Over every file's verdict, coverage and findings.
    pub findings: &'a str,
}

impl Evidence<'_> {
    /// The digest an approval is bound to, in hexadecimal.
    pub fn digest(&self) -> Sha256 {
        let missing = || json!({"state": "missing"});
        let scan =
            |of: for<'a> fn(&'a Scanned<'_>) -> &'a str| self.scan.as_ref().map_or_else(missing, |s| json!(of(s)));
        sha256_of(&json!({
            "v": 1,
            "repository": self.repository_id,
            "commit": self.commit.as_str(),
            "tree": tree_digest(self.files).to_string(),
            "verdict": scan(|s| s.verdict),
            "coverage": scan(|s| s.coverage),
            "rule_set": scan(|s| s.rule_set),
            "findings": scan(|s| s.findings),
            "licence": missing(),
            "lineage": missing(),
            "policy": self.policy_version,
        }))
    }
}

/// Our own digest of a tree: git's is sha1, and covers LFS pointers instead of bytes.
pub fn tree_digest(files: &[EvidenceFile]) -> Sha256 {
    let mut files: Vec<_> = files.iter().collect();
    files.sort_by(|a, b| a.path.cmp(&b.path));
    let rows = files.iter().map(|f| json!([f.path, f.size, f.git.to_string(), f.sha256.to_string()]));
    sha256_of(&Value::Array(rows.collect()))
}

/// RFC 8785: one spelling for one value, so that its hash is the same everywhere.
pub fn canonical(value: &Value) -> Vec<u8> {
    // Canonicalising fails only for numbers JSON cannot hold, which `Value` cannot hold either.
    serde_json_canonicalizer::to_vec(value).unwrap_or_default()
}

fn sha256_of(value: &Value) -> Sha256 {
    let mut bytes = [0; 32];
    bytes.copy_from_slice(digest::digest(&digest::SHA256, &canonical(value)).as_ref());
    Sha256(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_fact_counts_and_order_does_not() {
        let commit = "a".repeat(40).parse().unwrap_or_else(|_| unreachable!());
        let file = |path: &str, byte| EvidenceFile {
            path: path.into(),
            size: 1,
            git: GitId([0; 20]),
            sha256: Sha256([byte; 32]),
        };
        let digest = |files: &[EvidenceFile], policy| {
            Evidence { repository_id: "r", commit: &commit, files, policy_version: policy, scan: None }.digest()
        };
        let base = digest(&[file("a", 1), file("b", 2)], "p");
        assert_eq!(base, digest(&[file("b", 2), file("a", 1)], "p"));
        assert_ne!(base, digest(&[file("a", 1), file("b", 3)], "p"));
        assert_ne!(base, digest(&[file("a", 1), file("c", 2)], "p"));
        assert_ne!(base, digest(&[file("a", 1)], "p"));
        assert_ne!(base, digest(&[file("a", 1), file("b", 2)], "q"));
    }
}
