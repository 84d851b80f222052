//! What a notebook's cells are written in: Python, a shell, or another language, by everything that says so.

use crate::{
    read::json::Tree,
    text::{scripts::Language, shell::shortened},
};

/// What reads a cell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Written {
    Python,
    Shell,
    R,
    Script(Language),
    /// No reader here knows it.
    Unknown(String),
}

/// Everything that the notebook claims to be written in; Python where it says nothing. A kernel is started by its name, and
/// what is said beside it can be something else.
pub(super) fn of_notebook(tree: &Tree) -> Vec<Written> {
    let mut all = Vec::new();
    for about in tree.get_all(tree.root(), "metadata") {
        for kernel in tree.get_all(about, "kernelspec") {
            let languages = tree.get_all(kernel, "language").filter_map(|id| tree.text(id));
            all.extend(languages.map(by_language));
            all.extend(tree.get_all(kernel, "name").filter_map(|id| tree.text(id)).filter_map(by_kernel));
        }
        for language in tree.get_all(about, "language_info") {
            all.extend(tree.get_all(language, "name").filter_map(|id| tree.text(id)).map(by_language));
        }
        all.extend(tree.get_all(about, "language").filter_map(|id| tree.text(id)).map(by_language));
    }
    distinct(all)
}

/// The same for one cell, which can say that it is something else.
pub(super) fn of_cell(tree: &Tree, cell: usize, notebook: &[Written]) -> Vec<Written> {
    let mut all = notebook.to_vec();
    all.extend(tree.get_all(cell, "language").filter_map(|id| tree.text(id)).map(by_language));
    for about in tree.get_all(cell, "metadata") {
        for code in tree.get_all(about, "vscode") {
            all.extend(tree.get_all(code, "languageId").filter_map(|id| tree.text(id)).map(by_language));
        }
        all.extend(tree.get_all(about, "kernel").filter_map(|id| tree.text(id)).filter_map(by_kernel));
    }
    distinct(all)
}

fn distinct(all: Vec<Written>) -> Vec<Written> {
    let mut out: Vec<Written> = Vec::new();
    for written in all {
        if !out.contains(&written) && out.len() < 8 {
            out.push(written);
        }
    }
    if out.is_empty() {
        out.push(Written::Python);
    }
    out
}

/// By the name of a language.
pub(super) fn by_language(name: &str) -> Written {
    let name = name.trim().to_ascii_lowercase();
    match name.trim_end_matches(|c: char| c.is_ascii_digit() || matches!(c, '.' | '-' | ' ')) {
        "" | "python" | "ipython" | "ipython3" | "py" | "pyspark" | "sage" | "sagemath" | "xpython" | "xeus-python"
        | "pyodide" => Written::Python,
        "bash" | "sh" | "zsh" | "ksh" | "shell" | "shellscript" | "powershell" | "pwsh" | "cmd" | "bat" | "fish" => {
            Written::Shell
        }
        "r" | "ir" => Written::R,
        "javascript" | "js" | "node" | "nodejs" | "typescript" | "ts" | "deno" => Written::Script(Language::JavaScript),
        "perl" => Written::Script(Language::Perl),
        "ruby" => Written::Script(Language::Ruby),
        "php" => Written::Script(Language::Php),
        "lua" => Written::Script(Language::Lua),
        other => Written::Unknown(shortened(other)),
    }
}

/// By the name of a kernel. People name their environments as they like: only names that kernels of other languages have
/// say something.
fn by_kernel(name: &str) -> Option<Written> {
    let name = name.trim().to_ascii_lowercase();
    let begins = |words: &[&str]| words.iter().any(|word| name == *word || name.starts_with(&format!("{word}-")));
    if begins(&["bash", "calysto_bash", "zsh", "sh", "powershell", "pwsh", ".net-powershell", "shell"]) {
        return Some(Written::Shell);
    }
    if begins(&["ir", "r", "xr", "ark"]) {
        return Some(Written::R);
    }
    if begins(&["javascript", "jslab", "tslab", "nodejs", "deno", "typescript", "ijavascript", "itypescript"]) {
        return Some(Written::Script(Language::JavaScript));
    }
    if begins(&["ruby", "iruby"]) {
        return Some(Written::Script(Language::Ruby));
    }
    if begins(&["perl", "iperl", "raku"]) {
        return Some(Written::Script(Language::Perl));
    }
    let other = [
        "julia",
        "xcpp",
        "xcpp17",
        "scala",
        "spylon-kernel",
        "apache_toree_scala",
        "almond",
        "sos",
        "gophernotes",
        "rust",
        "evcxr",
        "octave",
        "matlab",
        "sas",
        ".net-csharp",
        ".net-fsharp",
        "kotlin",
        "java",
        "ijava",
        "haskell",
        "ihaskell",
        "clojure",
        "lean",
        "stata",
        "maxima",
        "ocaml",
        "elixir",
        "prolog",
        "make",
        "xsql",
        "cling",
    ];
    begins(&other).then(|| Written::Unknown(shortened(&name)))
}
