//! What is looked for in every config, whatever its form: keys that name code, and paths that leave the repository.

use super::{
    classes::{self, Weigh},
    commands, frameworks, paths, pickled, targets, templates,
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
            targets::judge(scan, source, tree, object, (key, value), name)?;
        }
        ("class_path" | "target", Some(name))
            if (is_dotted(name) || name.contains("${"))
                && (key == "class_path" || tree.get(object, "params").is_some()) =>
        {
            targets::judge(scan, source, tree, object, (key, value), name)?;
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
