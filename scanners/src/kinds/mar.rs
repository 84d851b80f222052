//! TorchServe's archives: a manifest, and a handler that the server runs.

use crate::{
    archive::Archive,
    read::json::Tree,
    rules,
    scan::{Scan, Scanned, Stop},
    source::Source,
    text::python,
};

const MANIFEST: &str = "MAR-INF/MANIFEST.json";
const MOST_VALUES: usize = 100_000;
/// Handlers that the server brings along.
const BUILT_IN: &[&str] = &[
    "base_handler",
    "dali_image_classifier",
    "densenet_handler",
    "image_classifier",
    "image_segmenter",
    "object_detector",
    "text_classifier",
    "text_handler",
    "vision_handler",
];

pub(crate) fn recognise(archive: &Archive) -> bool {
    archive.find(MANIFEST).is_some()
}

#[expect(clippy::unnecessary_wraps, reason = "every kind has this form")]
pub(crate) fn inspect(scan: &mut Scan<'_>, archive: &Archive) -> Scanned<()> {
    let names: Vec<String> = archive.members.iter().map(|member| member.name.clone()).collect();
    let mut handlers: Vec<String> = Vec::new();
    for member in &archive.members {
        if member.name == MANIFEST {
            archive.inspect_as(scan, member, |scan, source| manifest(scan, source, &names, &mut handlers));
        }
    }
    for member in &archive.members {
        if member.name == MANIFEST {
            continue;
        }
        archive.inspect(scan, member);
        // The server imports the handler whatever its name ends in.
        if handlers.contains(&member.name) && !member.name.to_ascii_lowercase().ends_with(".py") {
            archive.inspect_as(scan, member, |scan, source| {
                let bytes = source.read_all(scan.limits.text_bytes)?;
                python::inspect(scan, source, 0, &String::from_utf8_lossy(&bytes))
            });
        }
    }
    Ok(())
}

fn manifest(scan: &mut Scan<'_>, source: &Source, names: &[String], handlers: &mut Vec<String>) -> Scanned<()> {
    let bytes = source.read_all(scan.limits.text_bytes)?;
    let tree = Tree::parse(&bytes, MOST_VALUES)?;
    scan.inspected(source, 0..source.len());
    for (id, _) in tree.all() {
        scan.steps(1)?;
        if let Some(key) = tree.duplicate(id) {
            let message = format!("The manifest names `{key}` twice: programs differ in which of the two they take.");
            scan.found(&rules::CONFIG_DUPLICATE, source, tree.at(id), message);
        }
        for value in tree.get_all(id, "handler") {
            let Some(handler) = tree.text(value) else {
                return Err(Stop::broken(tree.at(value), "the manifest's handler is no name"));
            };
            let file = handler.split(':').next().unwrap_or(handler);
            let there = names.iter().any(|name| name == file || name.strip_suffix(".py") == Some(file));
            if !BUILT_IN.contains(&file) {
                scan.facts.remote_code.insert(handler.to_owned());
                if !there {
                    let message = format!(
                        "The manifest names the handler `{handler}`, which is not in the archive: the server runs what it finds under that name."
                    );
                    scan.found(&rules::CODE_SETTING, source, tree.at(value), message);
                }
            }
            handlers.push(file.to_owned());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #![allow(clippy::panic, reason = "tests say what went wrong by panicking")]

    use std::sync::Arc;

    use bytes::Bytes;

    use crate::{
        archive::zip::tests::archive,
        limits::Limits,
        report::Report,
        scan::{Outcome, scan},
    };

    fn judge(manifest: &str) -> Report {
        let bytes = archive(&[("MAR-INF/MANIFEST.json", manifest.as_bytes()), ("handler.py", b"x = 1\n")]);
        match scan("model.mar", Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
            Outcome::Judged(report) => *report,
            Outcome::Needs(_) => panic!("all is here"),
        }
    }

    #[test]
    fn a_handler_that_is_not_there_is_told_and_others_are_not() {
        let own = judge(r#"{"model": {"handler": "handler.py:handle"}}"#);
        assert_eq!(own.format, "torchserve archive");
        assert!(own.findings.is_empty() && own.facts.remote_code.contains("handler.py:handle"), "{:?}", own.findings);
        let elsewhere = judge(r#"{"model": {"handler": "/opt/handlers/other.py"}}"#);
        assert!(elsewhere.findings.iter().any(|finding| finding.rule.id == "WB-CFG-008"));
        let built_in = judge(r#"{"model": {"handler": "image_classifier"}}"#);
        assert!(built_in.findings.is_empty(), "{:?}", built_in.findings);
        let twice = judge(r#"{"model": {"handler": "image_classifier", "handler": "handler.py"}}"#);
        assert!(twice.findings.iter().any(|finding| finding.rule.id == "WB-CFG-009"));
    }
}
