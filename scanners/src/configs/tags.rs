//! Tags of YAML that make a loader build objects of Python or of another language.
//!
//! A tag is judged by the name in it, like every other name in a config.

use super::{
    classes::{self, Weigh},
    judge::path_of,
    yaml::Document,
};
use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// Tags of a YAML file that make its loader build objects.
pub(crate) fn judge(scan: &mut Scan<'_>, source: &Source, document: &Document, text: &str) -> Scanned<()> {
    const PYTHON: &str = "tag:yaml.org,2002:python/";
    for tag in &document.tags {
        scan.steps(100)?;
        if let Some(language) = OTHER_LANGUAGES.iter().find(|prefix| tag.name.starts_with(**prefix)) {
            let message =
                format!("Loading this YAML builds an object of another language (`{}`, under `{language}`).", tag.name);
            scan.found(&rules::YAML_TAG, source, tag.at, message);
            continue;
        }
        if tag.name == "!include" {
            path_of(scan, source, tag.at, "!include", tag.text.as_deref().unwrap_or_default().trim());
            continue;
        }
        let (kind, class) = if let Some(rest) = tag.name.strip_prefix(PYTHON) {
            let (kind, class) = rest.split_once(':').unwrap_or((rest, ""));
            (kind.to_owned(), class)
        } else if let Some((kind, class)) =
            tag.name.strip_prefix('!').and_then(|rest| rest.split_once(':')).filter(|(kind, _)| HYPER.contains(kind))
        {
            (kind.to_owned(), class)
        } else {
            continue;
        };
        // `python/tuple`, `python/str`: values, no classes.
        if class.is_empty() && !kind.contains('/') && !matches!(kind.as_str(), "name" | "module" | "object") {
            continue;
        }
        if kind == "include" {
            path_of(scan, source, tag.at, "!include", class);
            continue;
        }
        if matches!(class, "eval" | "builtins.eval") && only_counts(text, tag.at) {
            let message = format!("Loading this YAML evaluates text as Python (`{class}`), which here only counts.");
            scan.found(&rules::CLASS_UNKNOWN, source, tag.at, message);
            continue;
        }
        let shown = format!("the tag `{}`", tag.name.replace("tag:yaml.org,2002:", "!!"));
        weigh_tag(scan, source, tag.at, &shown, class, kind == "module");
    }
    hidden_tags(scan, source, document, text)
}

/// `eval ["[int(x * 0.1 * 512) for x in range(5, 21)]"]`: configs of segmentation models count sizes so.
fn only_counts(text: &str, tag: u64) -> bool {
    let rest = usize::try_from(tag).ok().and_then(|at| text.get(at..)).unwrap_or_default();
    let line = rest.lines().next().unwrap_or_default();
    let Some((_, argument)) = line.split_once(char::is_whitespace) else { return false };
    let argument = argument.trim();
    let Some(inner) = argument.strip_prefix("[\"").and_then(|inner| inner.strip_suffix("\"]")) else { return false };
    let words = inner.split(|c: char| !c.is_alphanumeric() && c != '_').filter(|word| !word.is_empty());
    let known = |word: &str| {
        word.parse::<u64>().is_ok()
            || matches!(
                word,
                "x" | "i" | "int" | "float" | "round" | "range" | "for" | "in" | "if" | "list" | "min" | "max"
            )
    };
    words.into_iter().all(known) && inner.chars().all(|c| c.is_ascii_alphanumeric() || "()[],.+-*/ ".contains(c))
}

/// Objects of Java and Ruby, whose readers build what a tag names.
const OTHER_LANGUAGES: &[&str] = &[
    "tag:yaml.org,2002:java.",
    "tag:yaml.org,2002:javax.",
    "tag:yaml.org,2002:com.sun.",
    "tag:yaml.org,2002:org.apache.",
    "tag:yaml.org,2002:js/function",
    "tag:yaml.org,2002:perl/",
    "!ruby/object",
    "!ruby/hash",
    "!ruby/struct",
    "!php/object",
];

/// Tags of hyperpyyaml, which speech models use.
const HYPER: &[&str] = &["new", "name", "apply", "module", "include"];

fn weigh_tag(scan: &mut Scan<'_>, source: &Source, at: u64, shown: &str, name: &str, module: bool) {
    let weigh = if module {
        classes::weigh(scan, source, &format!("{name}.module"))
    } else {
        classes::weigh(scan, source, name)
    };
    match weigh {
        Weigh::Vouched => {}
        Weigh::Dangerous(why) => {
            let message = format!("Loading this YAML builds {shown}: {why}.");
            scan.found(&rules::YAML_TAG, source, at, message);
        }
        Weigh::Local(file) => {
            scan.facts.remote_code.insert(name.to_owned());
            let message = format!("Loading this YAML builds {shown}, which is code of this repository: `{file}`.");
            scan.found(&rules::LOCAL_CODE, source, at, message);
        }
        Weigh::Unknown => {
            let message = format!("Loading this YAML builds {shown}, and nobody vouches for `{name}`.");
            scan.found(&rules::CLASS_UNKNOWN, source, at, message);
        }
    }
}

/// Text that would be a tag to a reader that takes the file apart differently.
fn hidden_tags(scan: &mut Scan<'_>, source: &Source, document: &Document, text: &str) -> Scanned<()> {
    const SIGN: &str = "!!python/";
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(SIGN)) {
        let at = from + found;
        scan.steps(100)?;
        from = at + SIGN.len();
        if document.tags.binary_search_by_key(&(at as u64), |tag| tag.at).is_ok() {
            continue;
        }
        let near = (at.saturating_sub(2000)..=at).find(|near| text.is_char_boundary(*near)).unwrap_or(at);
        let before = text.get(near..at).unwrap_or_default();
        let lead = before.rsplit(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).next().unwrap_or(before);
        if lead.trim_start().starts_with('#') || lead.contains(" #") {
            continue;
        }
        let rest = text.get(from..).unwrap_or_default();
        let name =
            rest.split(|c: char| c.is_whitespace() || matches!(c, ',' | '"' | '\'' | '`')).next().unwrap_or_default();
        let class = name.split_once(':').map_or("", |(_, class)| class);
        if let Weigh::Dangerous(why) = classes::weigh(scan, source, class) {
            let message = format!(
                "Text in this YAML reads `{SIGN}{name}`, which is a tag where a reader takes it for one: {why}."
            );
            scan.found(&rules::CLASS_UNKNOWN, source, at as u64, message);
        }
    }
    Ok(())
}
