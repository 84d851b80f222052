//! Configs whose meaning their file's name gives: diffusers, sentence-transformers, MLflow, Triton and others.

use super::{
    classes::{self, Weigh},
    docker,
    judge::{named, remote_code, setting},
    paths, requirements,
};
use crate::{
    read::json::{Kind, Tree},
    rules,
    scan::{Scan, Scanned},
    source::Source,
    text::{
        shell::{self, Command},
        template,
    },
};

pub(crate) fn by_file_name(scan: &mut Scan<'_>, source: &Source, tree: &Tree, file: &str) {
    let root = tree.root();
    match file {
        "model_index.json" => pipeline(scan, source, tree),
        "modules.json" => modules(scan, source, tree),
        "mlmodel" => mlflow(scan, source, tree),
        "package.json" => scripts(scan, source, tree),
        "tasks.json" => folder_tasks(scan, source, tree),
        "devcontainer.json" | ".devcontainer.json" => {
            for key in [
                "postCreateCommand",
                "postStartCommand",
                "postAttachCommand",
                "onCreateCommand",
                "initializeCommand",
                "updateContentCommand",
            ] {
                for id in tree.get_all(root, key) {
                    // What installs, builds or looks is what such a container is for.
                    let plain =
                        |command: &String| matches!(shell::judge(command), Command::Ordinary | Command::Installs);
                    for command in texts(tree, id).into_iter().filter(|command| !plain(command)) {
                        let message = format!("`{key}` runs `{command}` when the folder is opened in a container.");
                        scan.found(&rules::CODE_SETTING, source, tree.at(id), message);
                    }
                }
            }
        }
        "manifest.json" => {
            for model in tree.get_all(root, "model") {
                for id in tree.get_all(model, "handler") {
                    handler(scan, source, tree.at(id), tree.text(id).unwrap_or_default());
                }
            }
        }
        "bentofile.yaml" | "bentofile.yml" => bento(scan, source, tree),
        "docker-compose.yml" | "docker-compose.yaml" | "compose.yml" | "compose.yaml" => compose(scan, source, tree),
        ".gitmodules" => {
            for (_, module) in tree.entries(root) {
                for id in tree.get_all(*module, "url").chain(tree.get_all(*module, "update")) {
                    let text = tree.text(id).unwrap_or_default();
                    if text.starts_with(['-', '!']) {
                        let message = format!("Fetching this submodule runs a command: `{text}`.");
                        scan.found(&rules::CODE_SETTING, source, tree.at(id), message);
                    }
                }
                for url in tree.get_all(*module, "url").filter_map(|id| tree.text(id)) {
                    scan.facts.remote_code.insert(url.to_owned());
                }
            }
        }
        "cog.yaml" => {
            for build in tree.get_all(root, "build") {
                for id in tree.get_all(build, "run") {
                    for command in texts(tree, id) {
                        docker::command(scan, source, tree.at(id), &command);
                    }
                }
            }
        }
        _ => {}
    }
    let dependencies = matches!(file, "bentofile.yaml" | "cog.yaml" | "pixi.toml" | "pip.conf" | ".condarc")
        || ["environment", "conda", "env.y", "python_env", ".npmrc"].iter().any(|part| file.starts_with(part));
    if dependencies {
        requirements::in_tree(scan, source, tree);
    }
}

/// The texts of a value: itself, its items, or its entries.
fn texts(tree: &Tree, id: usize) -> Vec<String> {
    let entries = tree.entries(id).iter().map(|(_, id)| *id);
    let all = std::iter::once(id).chain(tree.items(id).iter().copied()).chain(entries);
    all.filter_map(|id| tree.text(id)).map(str::to_owned).collect()
}

/// Libraries that diffusers pipelines take their parts from, and folders of its own pipelines.
const LIBRARIES: &[&str] = &[
    "diffusers",
    "transformers",
    "onnxruntime",
    "optimum",
    "flax",
    "k_diffusion",
    "sgm",
    "open_clip",
    "clip",
    "torch",
    "stable_diffusion",
    "stable_diffusion_xl",
    "stable_diffusion_3",
    "stable_diffusion_safe",
    "latent_diffusion",
    "latent_consistency_models",
    "paint_by_example",
    "deepfloyd_if",
    "kandinsky",
    "kandinsky2_2",
    "kandinsky3",
    "audioldm",
    "audioldm2",
    "wuerstchen",
    "stable_cascade",
    "spectrogram_diffusion",
    "shap_e",
    "unidiffuser",
    "versatile_diffusion",
    "stable_audio",
    "alt_diffusion",
    "controlnet",
    "animatediff",
    "semantic_stable_diffusion",
    "blip_diffusion",
    "musicldm",
    "text_to_video_synthesis",
    "unclip",
    "vq_diffusion",
    "pixart_alpha",
    "pixart_sigma",
    "hunyuandit",
    "hunyuan_video",
    "cogvideo",
    "cogview3",
    "cogview4",
    "flux",
    "lumina",
    "lumina2",
    "mochi",
    "sana",
    "ltx",
    "wan",
    "allegro",
    "aura_flow",
    "kolors",
    "marigold",
    "ledits_pp",
    "i2vgen_xl",
    "stable_video_diffusion",
    "t2i_adapter",
    "dit",
    "ddpm",
    "ddim",
    "score_sde_ve",
    "pndm",
    "repaint",
    "dance_diffusion",
    "audio_diffusion",
    "amused",
    "gligen",
    "omnigen",
    "consisid",
    "easyanimate",
    "bria",
    "chroma",
    "hidream_image",
    "qwenimage",
    "skyreels_v2",
    "cosmos",
    "visualcloze",
    "stable_unclip",
    "prx",
    "ovis_image",
    "z_image",
    "hunyuanvideo",
    "peft",
    "tokenizers",
    "sentencepiece",
    "stable_audio_tools",
];

/// `model_index.json`: each part is `[library, class]`, and the library is imported.
fn pipeline(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for (part, value) in tree.entries(tree.root()) {
        let names: Vec<&str> = tree.items(*value).iter().filter_map(|id| tree.text(*id)).collect();
        let ([library, class], false) = (&names[..], part.starts_with('_')) else { continue };
        let at = tree.at(*value);
        if paths::escape(library).is_some() || library.contains(['/', '\\']) {
            let message =
                format!("The part {part:?} of the pipeline is imported from `{library}`, which is no library.");
            scan.found(&rules::CONFIG_ESCAPE, source, at, message);
            continue;
        }
        let first = library.split('.').next().unwrap_or(library);
        if LIBRARIES.contains(&first) && !library.contains('.') {
            continue;
        }
        let local = format!("{part}/{library}.py");
        if let Some(file) =
            paths::neighbour(scan, source, &local).or_else(|| paths::neighbour(scan, source, &format!("{library}.py")))
        {
            scan.facts.remote_code.insert(file.clone());
            let message = format!("The part {part:?} of the pipeline is `{class}` from this repository: `{file}`.");
            scan.found(&rules::LOCAL_CODE, source, at, message);
            continue;
        }
        named(scan, source, at, part, &format!("{library}.{class}"), &rules::CLASS_PATH);
    }
}

/// `modules.json` of sentence-transformers: each module is a class that is imported, and a folder.
fn modules(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for module in tree.items(tree.root()) {
        for id in tree.get_all(*module, "type") {
            if let Some(name) = tree.text(id) {
                named(scan, source, tree.at(id), "type", name, &rules::CLASS_PATH);
            }
        }
        for id in tree.get_all(*module, "path") {
            if let Some(why) = tree.text(id).and_then(paths::escape) {
                let path = tree.text(id).unwrap_or_default();
                let message = format!("A module is read from `{path}`: {why}.");
                scan.found(&rules::CONFIG_ESCAPE, source, tree.at(id), message);
            }
        }
    }
}

/// `MLmodel`: what loads the model, and from which folders.
fn mlflow(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for (id, _) in tree.all() {
        for (key, value) in tree.entries(id) {
            let Some(text) = tree.text(*value) else { continue };
            match key.as_str() {
                "code" | "model_code_path" if !matches!(text, "null" | "~" | "") => {
                    scan.facts.remote_code.insert(text.to_owned());
                    let message = format!("`{key}` puts `{text}` of this model on Python's path when it is loaded.");
                    scan.found(&rules::LOCAL_CODE, source, tree.at(*value), message);
                }
                _ => {}
            }
            let opened = matches!(
                key.as_str(),
                "code"
                    | "data"
                    | "model_path"
                    | "python_model"
                    | "pickled_model"
                    | "model_data"
                    | "path"
                    | "env"
                    | "conda"
                    | "virtualenv"
                    | "uri"
                    | "model_code_path"
            );
            if opened
                && let Some(why) = paths::escape(text)
                && key != "uri"
            {
                let message = format!("`{key}` names `{text}`, which loading the model opens: {why}.");
                scan.found(&rules::CONFIG_ESCAPE, source, tree.at(*value), message);
            }
        }
    }
}

/// Commands that installing a package runs.
fn scripts(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for scripts in tree.get_all(tree.root(), "scripts") {
        for (name, command) in tree.entries(scripts) {
            let command_text = tree.text(*command).unwrap_or_default();
            if matches!(name.as_str(), "preinstall" | "install" | "postinstall") && !command_text.is_empty() {
                let message = format!("Installing this package runs `{command_text}` ({name}).");
                scan.found(&rules::CODE_SETTING, source, tree.at(*command), message);
            }
        }
    }
}

/// An editor's tasks that run as soon as the folder is opened.
fn folder_tasks(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for (id, _) in tree.all() {
        let on_open = tree
            .get_all(id, "runOptions")
            .any(|options| tree.get_all(options, "runOn").any(|on| tree.text(on) == Some("folderOpen")));
        if on_open {
            let command = tree.get(id, "command").and_then(|id| tree.text(id)).unwrap_or("a command");
            let message = format!("Opening this folder in an editor runs `{command}`.");
            scan.found(&rules::CODE_SETTING, source, tree.at(id), message);
        }
    }
}

/// TorchServe's handler: one of its own, a file of the archive, or `module:function`.
fn handler(scan: &mut Scan<'_>, source: &Source, at: u64, name: &str) {
    const OWN: [&str; 5] =
        ["image_classifier", "object_detector", "text_classifier", "image_segmenter", "base_handler"];
    if name.is_empty() || OWN.contains(&name) {
        return;
    }
    if let Some(why) = paths::escape(name) {
        let message = format!("The handler is `{name}`: {why}.");
        scan.found(&rules::CONFIG_ESCAPE, source, at, message);
    } else if name.split(':').next().is_some_and(|file| file.rsplit('.').next() == Some("py")) {
        remote_code(scan, source, at, "handler", name);
    } else {
        setting(scan, source, at, "handler", name);
    }
}

fn bento(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for docker in tree.get_all(tree.root(), "docker") {
        for key in ["setup_script", "dockerfile_template"] {
            for id in tree.get_all(docker, key) {
                let script = tree.text(id).unwrap_or_default();
                let message = format!("`{key}` makes the build run `{script}`.");
                scan.found(&rules::CODE_SETTING, source, tree.at(id), message);
            }
        }
    }
}

/// Containers that get hold of the machine they run on.
fn compose(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for (id, value) in tree.all() {
        for (key, entry) in tree.entries(id) {
            let text = tree.text(*entry).unwrap_or_default();
            if key == "privileged" && text == "true" {
                let message = "A container runs with all rights on the machine (`privileged: true`).";
                scan.found(&rules::CODE_SETTING, source, tree.at(*entry), message);
            }
        }
        if let Kind::String(text) = &value.kind
            && (text.starts_with("/:") || text.contains("/var/run/docker.sock"))
        {
            let message = format!("A container is given the machine's own files: `{text}`.");
            scan.found(&rules::CODE_SETTING, source, value.at, message);
        }
    }
}

/// Triton's `config.pbtxt`: which backend runs, and in which environment.
pub(crate) fn triton(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    if source.file_name() != "config.pbtxt" {
        return Ok(());
    }
    let compact: String = text.lines().map(|line| line.split('#').next().unwrap_or(line)).collect::<Vec<_>>().join(" ");
    scan.steps(compact.len() as u64 / 16)?;
    let value_after = |word: &str| {
        let rest = compact.get(compact.find(word)? + word.len()..)?;
        let open = rest.find('"')?;
        rest.get(open + 1..)?.split('"').next().map(str::to_owned)
    };
    if value_after("backend").is_some_and(|backend| backend == "python") && compact.contains("backend:") {
        scan.facts.remote_code.insert("model.py".to_owned());
        let message = "The Python backend runs `model.py` of this model.";
        scan.found(&rules::LOCAL_CODE, source, 0, message);
    }
    if let Some(from) = compact.find("EXECUTION_ENV_PATH") {
        let rest = compact.get(from..).unwrap_or_default();
        let path = rest.split("string_value").nth(1).and_then(|rest| rest.split('"').nth(1)).unwrap_or("an archive");
        let message = format!("The server unpacks `{path}` and runs the model with the Python in it.");
        scan.found(&rules::CODE_SETTING, source, text.find("EXECUTION_ENV_PATH").unwrap_or(0) as u64, message);
    }
    Ok(())
}

/// Objects that LangChain rebuilds: `{"lc": 1, "type": "constructor", "id": […]}`, and prompts with a template.
pub(crate) fn serialized(scan: &mut Scan<'_>, source: &Source, tree: &Tree, object: usize) -> Scanned<()> {
    const RUNNING: [&str; 6] =
        ["llm_bash_chain", "pal_chain", "python_repl", "llm_math_chain", "terminal", "sql_database_chain"];
    let text = |key: &str| tree.get(object, key).and_then(|id| tree.text(id));
    if tree.get(object, "lc").is_some() && text("type") == Some("constructor") {
        for id in tree.get_all(object, "id") {
            let name = tree.items(id).iter().filter_map(|id| tree.text(*id)).collect::<Vec<_>>().join(".");
            named(scan, source, tree.at(id), "id", &name, &rules::CLASS_PATH);
        }
    }
    if text("template_format") == Some("jinja2") {
        for id in tree.get_all(object, "template") {
            if let Some(body) = tree.text(id) {
                template::inspect(scan, source, tree.at(id), "template", body)?;
            }
        }
    }
    if let Some(kind) = text("_type").filter(|kind| RUNNING.contains(kind)) {
        let message = format!("This chain runs what a model writes, as commands or code (`_type` is `{kind}`).");
        scan.found(&rules::CODE_SETTING, source, tree.at(object), message);
    }
    // Keras and MONAI name classes too; what is vouched for there is for their own readers to say.
    if let Some(name) = text("module").filter(|_| tree.get(object, "class_name").is_some())
        && let Weigh::Dangerous(why) = classes::weigh(scan, source, &format!("{name}.x"))
    {
        let message = format!("A class is taken from `{name}`: {why}.");
        scan.found(&rules::CLASS_PATH, source, tree.at(object), message);
    }
    Ok(())
}
