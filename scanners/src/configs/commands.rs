//! Settings that hold commands: what assistants, editors, hooks and build servers would run by themselves.
//!
//! The command is judged as any other. What only builds and tests is ordinary; nothing is run.

use super::paths;
use crate::{
    read::json::{Kind, Tree},
    rules,
    scan::{Scan, Scanned},
    source::Source,
    text::{
        python,
        shell::{self, Command, RUNS_DOWNLOADED, shortened},
    },
};

/// How a program comes to run the commands of a file.
#[derive(Clone, Copy, PartialEq, Eq)]
enum When {
    /// By itself, as soon as somebody opens or uses the folder.
    ByItself,
    /// When somebody builds, tests or commits.
    Asked,
}

/// Looks at the commands of a file whose name or content says that it holds some.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, tree: &Tree, file: &str) -> Scanned<()> {
    let path = source.name().to_ascii_lowercase();
    servers(scan, source, tree)?;
    let in_folder = |folder: &str| path.starts_with(folder) || path.contains(&format!("/{folder}"));
    let assistant = [".claude/", ".gemini/", ".cursor/", ".codex/", ".qwen/", ".kiro/", ".windsurf/"];
    if assistant.iter().any(|folder| in_folder(folder)) || matches!(file, "hooks.json") {
        return every(scan, source, tree, &["command", "apiKeyHelper", "cmd", "bash"], When::ByItself);
    }
    let build = in_folder(".github/") || in_folder(".circleci/") || in_folder(".woodpecker/") || in_folder(".gitea/");
    let build = build
        || matches!(
            file,
            ".gitlab-ci.yml"
                | ".gitlab-ci.yaml"
                | "azure-pipelines.yml"
                | "bitbucket-pipelines.yml"
                | ".travis.yml"
                | ".drone.yml"
                | ".pre-commit-config.yaml"
                | ".pre-commit-config.yml"
                | ".pre-commit-hooks.yaml"
                | "lefthook.yml"
                | "taskfile.yml"
                | "taskfile.yaml"
                | "action.yml"
                | "action.yaml"
                | "package.json"
                | "tasks.json"
                | "launch.json"
                | "devcontainer.json"
                | ".devcontainer.json"
                | "cloudbuild.yaml"
                | "docker-compose.yml"
                | "docker-compose.yaml"
                | "compose.yml"
                | "compose.yaml"
                | "cog.yaml"
                | ".lintstagedrc"
                | "render.yaml"
                | "app.yaml"
                | "pixi.toml"
                | "pyproject.toml"
                | ".gitpod.yml"
                | "skaffold.yaml"
                | "jobs.yaml"
                | "sky.yaml"
                | "task.yaml"
        );
    if build {
        return every(scan, source, tree, RUN, When::Asked);
    }
    if matches!(file, "tool_config.json" | "agent.json" | "agents.json" | "tools.json" | "tool.json") {
        code(scan, source, tree)?;
    }
    if matches!(file, ".zarray" | ".zmetadata" | "zarr.json") {
        codecs(scan, source, tree);
    }
    Ok(())
}

/// Keys whose texts build servers and editors run.
const RUN: &[&str] = &[
    "run",
    "script",
    "scripts",
    "before_script",
    "after_script",
    "command",
    "commands",
    "entry",
    "cmd",
    "cmds",
    "setup",
    "install",
    "before_install",
    "args",
    "entrypoint",
    "init",
    "before",
    "build",
    "tasks",
    "postinstall",
    "preinstall",
    "prepare",
    "test",
    "start",
    "postCreateCommand",
    "postStartCommand",
    "postAttachCommand",
    "onCreateCommand",
    "initializeCommand",
    "updateContentCommand",
];

/// Judges every text under these keys, also where it is a list or the entries of an object.
fn every(scan: &mut Scan<'_>, source: &Source, tree: &Tree, keys: &[&str], when: When) -> Scanned<()> {
    for (id, _) in tree.all() {
        for (key, value) in tree.entries(id) {
            scan.steps(1)?;
            if !keys.contains(&key.as_str()) {
                continue;
            }
            let inner = tree.items(*value).iter().copied().chain(tree.entries(*value).iter().map(|(_, id)| *id));
            for text in std::iter::once(*value).chain(inner).filter_map(|id| tree.text(id)) {
                command(scan, source, tree.at(*value), key, text, when);
            }
            let joined: Vec<&str> = tree.items(*value).iter().filter_map(|id| tree.text(*id)).collect();
            if joined.len() > 1 {
                command(scan, source, tree.at(*value), key, &joined.join(" "), When::Asked);
            }
        }
    }
    Ok(())
}

fn command(scan: &mut Scan<'_>, source: &Source, at: u64, key: &str, text: &str, when: When) {
    let worst = text.lines().map(|line| (line, shell::judge(line))).chain([(text, shell::judge(text))]);
    let mut harm: Option<(&str, &'static str)> = None;
    for (line, judged) in worst {
        if let Command::Harmful(how) = judged
            && harm.is_none_or(|(_, was)| was == RUNS_DOWNLOADED)
        {
            harm = Some((line, how));
        }
    }
    match harm {
        Some((line, how)) if how != RUNS_DOWNLOADED => {
            let message = format!("`{key}` holds a command that {how}: `{}`.", shortened(line));
            scan.found(&rules::SHELL_HARM, source, at, message);
        }
        Some((line, how)) if when == When::ByItself => {
            let message = format!("`{key}` holds a command that {how}: `{}`.", shortened(line));
            scan.found(&rules::CODE_SETTING, source, at, message);
        }
        None if when == When::ByItself && shell::judge(text) == Command::Other => {
            let message = format!("An assistant or editor that works in this folder runs `{}`.", shortened(text));
            scan.found(&rules::CODE_SETTING, source, at, message);
        }
        _ => {}
    }
}

/// Servers of tools, which an assistant starts: `{"mcpServers": {"name": {"command": "npx", "args": […]}}}`.
fn servers(scan: &mut Scan<'_>, source: &Source, tree: &Tree) -> Scanned<()> {
    const STARTERS: [&str; 12] =
        ["npx", "uvx", "uv", "python", "python3", "node", "docker", "bunx", "deno", "pipx", "podman", "bun"];
    let root = tree.root();
    let own = source.file_name().to_ascii_lowercase().trim_start_matches('.') == "mcp.json";
    let mut lists: Vec<usize> = tree.get_all(root, "mcpServers").chain(tree.get_all(root, "context_servers")).collect();
    if own {
        lists.extend(tree.get_all(root, "servers"));
    }
    for list in lists {
        for (name, server) in tree.entries(list) {
            scan.steps(10)?;
            for id in tree.get_all(*server, "command") {
                let first = tree.text(id).unwrap_or_default();
                let args =
                    tree.get_all(*server, "args").flat_map(|args| tree.items(args)).filter_map(|id| tree.text(*id));
                let line = std::iter::once(first).chain(args).collect::<Vec<_>>().join(" ");
                let key = format!("mcpServers.{name}");
                let base = first.rsplit(['/', '\\']).next().unwrap_or(first).trim_end_matches(".exe");
                let inline = line.split_whitespace().any(|word| matches!(word, "-c" | "-e" | "--eval" | "/c"));
                let known = STARTERS.contains(&base) && !inline && !line.contains("http://");
                command(scan, source, tree.at(id), &key, &line, if known { When::Asked } else { When::ByItself });
            }
        }
    }
    Ok(())
}

/// A tool of an assistant whose Python stands in its settings.
fn code(scan: &mut Scan<'_>, source: &Source, tree: &Tree) -> Scanned<()> {
    for (id, _) in tree.all() {
        for value in tree.get_all(id, "code").chain(tree.get_all(id, "source_code")) {
            if let Some(text) = tree.text(value).filter(|text| text.contains(['(', '\n'])) {
                python::inspect(scan, source, tree.at(value), text)?;
            }
        }
    }
    Ok(())
}

/// Arrays in chunks whose filters unpickle what they read.
fn codecs(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for (id, value) in tree.all() {
        let Kind::Object(_) = value.kind else { continue };
        for codec in tree.get_all(id, "id").chain(tree.get_all(id, "name")) {
            let name = tree.text(codec).unwrap_or_default();
            let last = name.rsplit(['.', '/']).next().unwrap_or(name);
            if matches!(last, "pickle" | "dill" | "cloudpickle") {
                let message = format!("The filter `{name}` unpickles every chunk of this array when it is read.");
                scan.found(&rules::CODE_SETTING, source, tree.at(codec), message);
            }
        }
    }
}

/// What the head of a data card names as its files.
pub(crate) fn data_files(scan: &mut Scan<'_>, source: &Source, tree: &Tree) {
    for (id, _) in tree.all() {
        for key in ["data_files", "data_dir"] {
            for value in tree.get_all(id, key) {
                let mut todo = vec![value];
                while let Some(id) = todo.pop() {
                    todo.extend(tree.items(id).iter().copied().chain(tree.entries(id).iter().map(|(_, id)| *id)));
                    let Some(path) = tree.text(id) else { continue };
                    // Data may lie at an address; a place of the reader's own machine is none of a card's.
                    if let Some(why) = paths::escape(path).filter(|_| !path.contains("://")) {
                        let message = format!("`{key}` names `{path}`, which loading the data opens: {why}.");
                        scan.found(&rules::CONFIG_ESCAPE, source, tree.at(id), message);
                    }
                }
            }
        }
    }
}
