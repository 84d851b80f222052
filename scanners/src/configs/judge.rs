//! What is looked for in every config, whatever its form: keys that name code, and paths that leave the repository.

use super::{
    classes::{self, Weigh},
    commands, frameworks, paths, pickled, templates,
    yaml::Document,
};
use crate::{
    read::json::{Kind, Tree},
    rules::{self, Rule},
    scan::{Scan, Scanned},
    source::Source,
};

pub(crate) fn judge(scan: &mut Scan<'_>, source: &Source, tree: &Tree) -> Scanned<()> {
    let file = source.file_name().to_ascii_lowercase();
    frameworks::by_file_name(scan, source, tree, &file);
    commands::inspect(scan, source, tree, &file)?;
    licences(scan, tree);
    if LOADED.contains(&file.as_str()) {
        duplicates(scan, source, tree);
    }
    let expressions = tree.all().any(|(id, _)| tree.get(id, "_target_").is_some());
    for (id, value) in tree.all() {
        match &value.kind {
            Kind::Object(entries) => {
                for (key, value) in entries {
                    entry(scan, source, tree, id, key, *value)?;
                }
                frameworks::serialized(scan, source, tree, id)?;
            }
            Kind::String(text) if (expressions && text.starts_with('$')) || text.contains("${eval:") => {
                expression(scan, source, value.at, text);
            }
            Kind::String(text) if pickled::could_be(text) => pickled::inspect(scan, source, value.at, text)?,
            _ => {}
        }
    }
    Ok(())
}

/// Files that a loader reads without being told to: a key that is there twice shows one value to whoever looks and another
/// to whoever loads.
const LOADED: &[&str] = &[
    "config.json",
    "tokenizer_config.json",
    "generation_config.json",
    "model_index.json",
    "adapter_config.json",
    "modules.json",
    "processor_config.json",
    "preprocessor_config.json",
    "special_tokens_map.json",
    "sentence_bert_config.json",
    "config_sentence_transformers.json",
    "scheduler_config.json",
    "chat_template.json",
    "video_preprocessor_config.json",
    "configuration.json",
    "quantize_config.json",
];

fn duplicates(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for (id, _) in tree.all() {
        if let Some(key) = tree.duplicate(id) {
            let message = format!(
                "The key {key:?} is there twice in the same object, and readers differ in which one they take."
            );
            scan.found(&rules::CONFIG_DUPLICATE, source, tree.at(id), message);
        }
    }
}

/// Licences that the outermost object names.
pub(crate) fn licences(scan: &mut Scan<'_>, tree: &Tree) {
    for key in ["license", "licence", "license_name"] {
        for id in tree.get_all(tree.root(), key) {
            let named = tree.text(id).into_iter().chain(tree.items(id).iter().filter_map(|id| tree.text(*id)));
            for licence in named.filter(|licence| !licence.is_empty() && licence.len() < 100).collect::<Vec<_>>() {
                scan.facts.licences.insert(licence.to_owned());
            }
        }
    }
}

/// One key and its value.
fn entry(scan: &mut Scan<'_>, source: &Source, tree: &Tree, object: usize, key: &str, value: usize) -> Scanned<()> {
    let at = tree.at(value);
    let text = tree.text(value);
    scan.steps(2)?;
    if text.is_some() && WEIGHED.contains(&key) {
        scan.steps(200)?;
    }
    match (key, text) {
        ("auto_map", _) => auto_map(scan, source, tree, value),
        ("custom_pipelines", _) => pipelines(scan, source, tree, value),
        ("_class_name", None) => {
            let parts: Vec<&str> = tree.items(value).iter().filter_map(|id| tree.text(*id)).collect();
            if let [module, class] = parts[..] {
                let name = format!("{module}.{class}");
                scan.facts.remote_code.insert(name.clone());
                named(scan, source, at, key, &name, &rules::CLASS_PATH);
            }
        }
        ("_target_" | "__target__" | "_target", Some(name)) => {
            trusting(scan, source, tree, object, name);
            named(scan, source, at, key, name, &rules::HYDRA_TARGET);
        }
        ("class_path" | "target", Some(name))
            if is_dotted(name) && (key == "class_path" || tree.get(object, "params").is_some()) =>
        {
            named(scan, source, at, key, name, &rules::HYDRA_TARGET);
        }
        (
            "loader_module" | "parent_library" | "py/object" | "py/reduce" | "py/function" | "py/type" | "py/repr",
            Some(name),
        ) => named(scan, source, at, key, name, &rules::CLASS_PATH),
        ("py/reduce", None) => reduced(scan, source, tree, value),
        ("attn_implementation" | "_attn_implementation" | "_attn_implementation_internal", Some(name)) => {
            attention(scan, source, at, key, name);
        }
        (
            "chat_template" | "chat_templates" | "default_chat_template" | "jinja_template" | "prompt_template_jinja",
            _,
        ) => {
            templates(scan, source, tree, key, value)?;
        }
        (
            "tool_parser_plugin"
            | "reasoning_parser_plugin"
            | "logits_processors"
            | "middleware"
            | "worker_cls"
            | "worker_extension_cls"
            | "scheduler_cls"
            | "tool-parser-plugin"
            | "reasoning-parser-plugin"
            | "worker-extension-cls"
            | "worker-cls"
            | "scheduler-cls"
            | "logits-processors",
            _,
        ) => {
            for name in text.into_iter().chain(tree.items(value).iter().filter_map(|id| tree.text(*id))) {
                setting(scan, source, at, key, name);
            }
        }
        ("custom_pipeline" | "custom_generate", Some(name)) if name.contains('/') => {
            scan.facts.remote_code.insert(name.to_owned());
            let message = format!("`{key}` takes code from another repository, `{name}`.");
            scan.found(&rules::FOREIGN_CODE, source, at, message);
        }
        ("()" | "func" | "service" | "callable", Some(name)) if name.len() < 200 && name.contains(['.', ':']) => {
            scan.steps(200)?;
            if let Weigh::Dangerous(why) = classes::weigh(scan, source, name) {
                let message = format!("`{key}` names `{name}`, which is imported and called: {why}.");
                scan.found(&rules::CLASS_PATH, source, at, message);
            }
        }
        // The model that an adapter was made from lies where it was trained; nobody trains in the system's own folders.
        ("base_model_name_or_path", Some(path)) if paths::system(path) => path_of(scan, source, at, key, path),
        (key, Some(path)) if OPENED.contains(&key) => path_of(scan, source, at, key, path),
        _ => {}
    }
    Ok(())
}

/// What a reader of pickled JSON would call: `"py/reduce": [{"py/function": "os.system"}, …]`.
fn reduced(scan: &mut Scan<'_>, source: &Source, tree: &Tree, value: usize) {
    for item in tree.items(value) {
        for callable in tree.get_all(*item, "py/function").chain(tree.get_all(*item, "py/type")) {
            if let Some(name) = tree.text(callable) {
                named(scan, source, tree.at(callable), "py/reduce", name, &rules::CLASS_PATH);
            }
        }
    }
}

/// Keys whose values are weighed against long lists.
const WEIGHED: &[&str] = &[
    "_target_",
    "__target__",
    "_target",
    "class_path",
    "target",
    "loader_module",
    "parent_library",
    "py/object",
    "py/reduce",
    "py/function",
    "py/type",
    "py/repr",
];

/// Keys whose value a loader opens as a file of the repository.
const OPENED: &[&str] = &[
    "vocab_file",
    "transformers_weights",
    "model_file_base_name",
    "merges_file",
    "tokenizer_file",
    "spm_file",
    "sp_model",
    "sentencepiece_model_file",
    "source_spm",
    "target_spm",
    "bpe_codes",
    "bpe_file",
    "emoji_file",
    "monolingual_vocab_file",
    "speech_vocab_file",
    "weights_file",
    "weights_path",
    "template_path",
    "examples_path",
    "prefix_path",
    "suffix_path",
    "example_prompt_path",
    "model_file",
    "custom_tokens_file",
    "chat_template_file",
    "index_file",
    "normalizer_file",
    "entity_vocab_file",
];

pub(crate) fn path_of(scan: &mut Scan<'_>, source: &Source, at: u64, key: &str, path: &str) {
    if let Some(why) = paths::escape(path) {
        let message = format!("`{key}` names the file `{path}`, which a loader would open: {why}.");
        scan.found(&rules::CONFIG_ESCAPE, source, at, message);
    } else if !path.is_empty() && path.len() < 300 {
        scan.facts.references.insert(path.to_owned());
    }
}

fn is_dotted(name: &str) -> bool {
    name.contains('.')
        && name.split('.').all(|part| part.chars().all(|c| c.is_alphanumeric() || c == '_') && !part.is_empty())
}

/// `_target_: …from_pretrained` with `trust_remote_code: true` loads whatever code another repository has.
fn trusting(scan: &mut Scan<'_>, source: &Source, tree: &Tree, object: usize, name: &str) {
    let trusts = tree.get_all(object, "trust_remote_code").any(|id| match tree.value(id).map(|value| &value.kind) {
        Some(Kind::Bool(is)) => *is,
        Some(Kind::String(text)) => matches!(text.to_ascii_lowercase().as_str(), "true" | "yes" | "on"),
        _ => false,
    });
    if !trusts || !name.ends_with("from_pretrained") {
        return;
    }
    let keys = ["pretrained_model_name_or_path", "pretrained_model_name", "repo_id"];
    let from = keys.iter().find_map(|key| tree.get(object, key)).and_then(|id| tree.text(id)).unwrap_or("a repository");
    let message = format!("`{name}` is called with trust_remote_code: it runs whatever code `{from}` has.");
    scan.facts.remote_code.insert(from.to_owned());
    scan.found(&rules::FOREIGN_CODE, source, tree.at(object), message);
}

/// `custom_pipelines: {"task": {"impl": "module.Class"}}`
fn pipelines(scan: &mut Scan<'_>, source: &Source, tree: &Tree, value: usize) {
    for (_, pipeline) in tree.entries(value) {
        for named in tree.get_all(*pipeline, "impl") {
            if let Some(class) = tree.text(named) {
                remote_code(scan, source, tree.at(named), "custom_pipelines", class);
            }
        }
    }
}

fn auto_map(scan: &mut Scan<'_>, source: &Source, tree: &Tree, map: usize) {
    for (class, value) in tree.entries(map) {
        let texts = std::iter::once(*value).chain(tree.items(*value).iter().copied());
        for id in texts {
            if let Some(name) = tree.text(id) {
                remote_code(scan, source, tree.at(id), &format!("auto_map.{class}"), name);
            }
        }
    }
}

/// `repo--module.Class` or `module.Class`, which a loader runs with `trust_remote_code`.
pub(crate) fn remote_code(scan: &mut Scan<'_>, source: &Source, at: u64, key: &str, name: &str) {
    scan.facts.remote_code.insert(name.to_owned());
    if let Some((repository, class)) = name.split_once("--") {
        let message = format!(
            "`{key}` takes `{class}` from another repository, `{repository}`: its owner can change that code at any time."
        );
        scan.found(&rules::FOREIGN_CODE, source, at, message);
        return;
    }
    let module = name.rsplit_once('.').map_or(name, |(module, _)| module);
    if paths::escape(module).is_some() || module.contains(['/', '\\']) {
        let message = format!("`{key}` takes code from `{name}`, which is no module of this repository.");
        scan.found(&rules::CONFIG_ESCAPE, source, at, message);
        return;
    }
    let message = format!("`{key}` is `{name}`: with trust_remote_code a loader runs that file of this repository.");
    scan.found(&rules::LOCAL_CODE, source, at, message);
}

/// A class or function that a loader imports by the name in the config. `dangerous` is the rule for one that runs code.
pub(crate) fn named(scan: &mut Scan<'_>, source: &Source, at: u64, key: &str, name: &str, dangerous: &'static Rule) {
    if name.contains("${") || name == "???" || name.trim().is_empty() || name == "__main__" {
        return;
    }
    if name.contains("--") {
        remote_code(scan, source, at, key, name);
        return;
    }
    if name.starts_with("transformers_modules.") {
        scan.facts.remote_code.insert(name.to_owned());
        return;
    }
    match classes::weigh(scan, source, name) {
        Weigh::Vouched => {}
        Weigh::Dangerous(why) => {
            scan.found(
                dangerous,
                source,
                at,
                format!("`{key}` names `{name}`, which the loader imports and calls: {why}."),
            );
        }
        Weigh::Local(file) => {
            scan.facts.remote_code.insert(name.to_owned());
            let message = format!("`{key}` names `{name}`, which is code of this repository: `{file}`.");
            scan.found(&rules::LOCAL_CODE, source, at, message);
        }
        Weigh::Unknown => {
            let message =
                format!("`{key}` names `{name}`, which the loader imports and calls, and nobody vouches for it.");
            scan.found(&rules::CLASS_UNKNOWN, source, at, message);
        }
    }
}

/// `org/kernel` or `org/kernel:function`: compiled code from another repository. Names without a slash are built in.
fn attention(scan: &mut Scan<'_>, source: &Source, at: u64, key: &str, name: &str) {
    let bare = name.split('|').next_back().unwrap_or(name);
    if bare.contains('/') && !bare.starts_with("kernels-community/") {
        scan.facts.remote_code.insert(bare.to_owned());
        let message = format!("`{key}` takes compiled code from another repository, `{bare}`.");
        scan.found(&rules::FOREIGN_CODE, source, at, message);
    }
}

/// A setting of a server that names code.
pub(crate) fn setting(scan: &mut Scan<'_>, source: &Source, at: u64, key: &str, name: &str) {
    let module = name.strip_suffix(".py").map_or_else(|| name.to_owned(), |path| path.replace('/', "."));
    match classes::weigh(scan, source, &module) {
        Weigh::Vouched => {}
        Weigh::Dangerous(why) => {
            let message = format!("`{key}` names `{name}`, which the server imports and calls: {why}.");
            scan.found(&rules::CLASS_PATH, source, at, message);
        }
        Weigh::Local(_) | Weigh::Unknown => {
            let message = format!("`{key}` makes the server load and run `{name}`.");
            scan.facts.remote_code.insert(name.to_owned());
            scan.found(&rules::CODE_SETTING, source, at, message);
        }
    }
}

/// `$import os`, `$os.system(…)`: bundles evaluate such text as Python.
fn expression(scan: &mut Scan<'_>, source: &Source, at: u64, text: &str) {
    const RUNS: [&str; 17] = [
        "os.system",
        "os.popen",
        "os.exec",
        "os.spawn",
        "subprocess",
        "__import__",
        "eval(",
        "exec(",
        "compile(",
        "socket",
        "urllib",
        "requests.",
        "shutil.rmtree",
        "pickle.load",
        "torch.hub",
        "importlib",
        "ctypes",
    ];
    let compact: String = text.chars().filter(|c| !c.is_whitespace()).collect();
    if let Some(what) = RUNS.iter().find(|what| compact.contains(**what)) {
        let shown: String = text.chars().take(160).collect();
        let message = format!("The text `{shown}` is evaluated as Python when the bundle is read, and uses `{what}`.");
        scan.found(&rules::CLASS_PATH, source, at, message);
    }
}

/// Tags of a YAML file that make its loader build objects.
pub(crate) fn tags(scan: &mut Scan<'_>, source: &Source, document: &Document, text: &str) -> Scanned<()> {
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
    "!ruby/object",
    "!ruby/hash",
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
