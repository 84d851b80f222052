//! What stands in a safetensors file's metadata. Text for people and for trainers; some programs show it as a page, some
//! render it as a template.
//!
//! Addresses, markup and settings are ordinary there. What would act when shown or rendered is not.

use memchr::memmem;

use crate::{
    formats::sniff,
    read::base64,
    rules,
    scan::{Scan, Scanned, in_memory},
    source::Source,
    text::template,
};

/// Inspects one entry.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, at: u64, key: &str, value: &str) -> Scanned<()> {
    scan.steps((key.len() + value.len()) as u64 / 16)?;
    if matches!(key, "license" | "licence" | "modelspec.license") && value.len() < 200 {
        scan.facts.licences.insert(value.to_owned());
    }
    if key.contains("chat_template") {
        return template::inspect(scan, source, at, key, value);
    }
    packed(scan, source, at, key, value);
    for text in [key, value] {
        let lower = text.to_ascii_lowercase();
        if let Some((what, at_in_text)) = active(&lower) {
            let shown: String = lower.get(at_in_text..).unwrap_or_default().chars().take(80).collect();
            let message = format!("The metadata `{key}` holds {what}: `{shown}`.");
            scan.found(&rules::TENSORS_METADATA, source, at, message);
        }
    }
    Ok(())
}

/// A pickle or a program as base64: nobody keeps settings so.
fn packed(scan: &mut Scan<'_>, source: &Source, at: u64, key: &str, value: &str) {
    if value.len() < 16 || !value.bytes().all(base64::is_digit) {
        return;
    }
    let bytes = base64::decode(value.as_bytes());
    let Some(family) = sniff::of(&bytes).filter(|family| family.is_active()) else { return };
    let message = format!("The metadata `{key}` is a {} written as base64.", family.word());
    scan.found(&rules::TENSORS_METADATA, source, at, message);
    scan.inner_made(source, at..at, &format!("metadata {key}"), in_memory(bytes));
}

/// What in a text in lower case would act, and where.
fn active(text: &str) -> Option<(&'static str, usize)> {
    const SCRIPTS: [&str; 7] =
        ["</script", "<script src", "javascript:", "<iframe", "<object data", "data:text/html", "<embed src"];
    const HANDLERS: [&str; 5] = ["onerror=", "onload=", "onclick=", "onmouseover=", "onfocus="];
    const REACHES: [&str; 8] = [
        "__import__",
        "__subclasses__",
        "__globals__",
        "__builtins__",
        "__mro__",
        "os.system(",
        "subprocess.popen(",
        "subprocess.run(",
    ];
    let find = |mark: &str| memmem::find(text.as_bytes(), mark.as_bytes());
    if let Some(at) = SCRIPTS.iter().find_map(|mark| find(mark)) {
        return Some(("a script for a browser", find("<script").unwrap_or(at)));
    }
    if text.contains('<')
        && let Some(at) = HANDLERS.iter().find_map(|mark| find(mark))
    {
        return Some(("a script for a browser", at));
    }
    if let Some(at) = REACHES.iter().find_map(|mark| find(mark)) {
        return Some(("an expression that reaches into Python", at));
    }
    None
}
