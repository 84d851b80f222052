//! Shell commands, wherever they stand: in scripts, notebooks, Python. Says which of them do harm whoever runs them.
//!
//! What flows into what is worked out as far as the text says it (`flow`); beyond that, words are looked at. Nothing is run.

mod addresses;
mod flow;
mod harm;
mod leaks;
mod persist;
mod programs;
mod script;
mod spelling;
#[cfg(test)]
mod tests;
mod words;

pub(crate) use self::script::{harms, inspect, inspect_lines};

/// What a command comes to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Command {
    /// It harms; the words say how.
    Harmful(&'static str),
    /// It installs packages from elsewhere than the public index.
    ForeignPackages,
    /// It installs packages.
    Installs,
    /// What people do with models: looking at files, at the machine, converting media.
    Ordinary,
    /// Anything else.
    Other,
}

/// Programs that a notebook or a model's code runs for ordinary reasons.
#[rustfmt::skip]
const ORDINARY: &[&str] = &[
    "ls", "cd", "pwd", "echo", "cat", "head", "tail", "mkdir", "nvidia-smi", "rocm-smi", "nvcc", "rocminfo", "lscpu", "free", "df", "du",
    "git", "ffmpeg", "ffprobe", "sox", "which", "where", "gcc", "g++", "cc", "c++", "make", "cmake", "ninja", "espeak", "espeak-ng", "uname",
    "hostname", "date", "nproc", "lspci", "python --version", "hf", "huggingface-cli", "kaggle", "wc", "tree", "unzip", "tar",
    "gunzip", "cp", "mv", "ln", "touch", "clear", "true", "sleep", "find", "grep", "sort", "apt", "apt-get", "brew", "tensorboard",
    "jupyter", "accelerate", "torchrun", "deepspeed", "ollama", "llama-cli", "llama-quantize", "java", "javac", "xdg-open",
    "tesseract", "pdftotext", "pdftoppm", "nvidia-settings", "sysctl", "ldconfig", "whoami", "wget", "curl", "cmd", "ver", "stty",
    "conda", "mamba", "uv", "poetry", "npm", "node", "cargo", "rustc", "protoc", "swig", "doxygen", "sphinx-build", "black", "ruff",
    "pytest", "isort", "flake8", "mypy", "file", "md5sum", "sha256sum", "7z", "gdown", "aria2c", "rm", "export", "source", "set", "env",
    "sed", "awk", "cut", "tr", "xargs", "tee", "test", "[", "if", "for", "while", "do", "done", "fi", "then", "else", "exit", "printf",
];

/// Programs that code runs to ask the machine something or to convert media.
#[rustfmt::skip]
const TOOLS: &[&str] = &[
    "nvidia-smi", "rocm-smi", "rocminfo", "nvcc", "lscpu", "lspci", "git", "ffmpeg", "ffprobe", "sox", "which", "where", "gcc", "g++", "cc",
    "c++", "make", "cmake", "ninja", "espeak", "espeak-ng", "uname", "nproc", "tesseract", "pdftotext", "pdftoppm", "nvidia-settings",
    "sysctl", "ldconfig", "java", "hipcc", "clang", "swig", "protoc", "gs", "xdg-open",
];

#[rustfmt::skip]
const INTERPRETERS: &[&str] = &[
    "sh", "bash", "zsh", "dash", "ksh", "python", "python3", "perl", "ruby", "node", "php", "sudo", "iex", "base64", "osascript", "su",
];

/// How installers of honest programs work as well.
pub(crate) const RUNS_DOWNLOADED: &str = "downloads text and runs it";

/// Nobody installs an honest program like this.
pub(crate) const RUNS_UNPROTECTED: &str = "downloads text from an unprotected address and runs it";

/// A command longer than this is judged in pieces, each with some of the one before it.
const PIECE: usize = 1 << 16;
const SHARED: usize = 1 << 12;

/// What a command comes to.
pub(crate) fn judge(command: &str) -> Command {
    if command.len() <= PIECE {
        return judge_piece(command);
    }
    let mut worst = Command::Ordinary;
    let mut from = 0;
    while from < command.len() {
        let piece = command.get(floor(command, from)..floor(command, from + PIECE)).unwrap_or_default();
        match (judge_piece(piece), worst) {
            (Command::Harmful(how), _) if how != RUNS_DOWNLOADED => return Command::Harmful(how),
            (Command::Ordinary, _) | (_, Command::Harmful(_)) => {}
            (other, _) => worst = other,
        }
        from += PIECE - SHARED;
    }
    worst
}

/// The letter at or before this byte.
fn floor(text: &str, at: usize) -> usize {
    let mut at = at.min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    at
}

fn judge_piece(command: &str) -> Command {
    let text = command.to_lowercase();
    let bare = bare(&text);
    let loose = text.split_whitespace().collect::<Vec<_>>().join(" ");
    let (flows, flat) = flow::look(command);
    let flowing = flows.iter().filter_map(|flow| flow.what.how());
    let all: Vec<&'static str> = flowing.chain(harm::all(&text, &bare, &loose, &flat)).collect();
    let worst = all.iter().find(|how| **how != RUNS_DOWNLOADED).or(all.first());
    if let Some(how) = worst {
        return Command::Harmful(how);
    }
    if flows.iter().any(|flow| flow.what == flow::What::Installer) {
        return Command::Installs;
    }
    packages(&bare).unwrap_or_else(|| if ordinary(&bare) { Command::Ordinary } else { Command::Other })
}

/// Quotes and backslashes within words hide them from readers, not from the shell.
fn bare(text: &str) -> String {
    let bare: String =
        text.replace("\\\n", " ").chars().filter(|c| !matches!(c, '"' | '\'' | '\\' | '^' | '`')).collect();
    bare.split_whitespace().collect::<Vec<_>>().join(" ").replace("${ifs}", " ").replace("$ifs", " ")
}

fn packages(text: &str) -> Option<Command> {
    let installs = ["pip install", "pip3 install", "-m pip install", "uv pip install", "conda install", "pip download"];
    if !installs.iter().any(|words| text.contains(words)) && !text.starts_with("pip ") {
        return None;
    }
    let known = |address: &str| {
        [
            "pypi.org",
            "pythonhosted.org",
            "pytorch.org",
            "github.com",
            "huggingface.co",
            "nvidia.com",
            "nvidia.cn",
            "data.pyg.org",
            "tsinghua.edu.cn",
            "aliyun.com",
            "jetson-ai-lab",
            "googleapis.com",
            "gitlab.com",
            "vllm.ai",
            "paddlepaddle.org.cn",
            "openmmlab.com",
        ]
        .iter()
        .any(|host| {
            host_of(address).is_some_and(|found| {
                found == *host
                    || found.ends_with(&format!(".{host}"))
                    || found.contains(host) && host.starts_with("jetson")
            })
        })
    };
    let foreign = addresses::all(text).any(|address| !known(address));
    Some(if foreign { Command::ForeignPackages } else { Command::Installs })
}

/// The host that an address names.
pub(crate) fn host_of(address: &str) -> Option<&str> {
    let rest = address.split_once("://")?.1;
    let host = rest.split(['/', '?', '#']).next()?;
    let host = host.rsplit('@').next()?;
    Some(host.split(':').next().unwrap_or(host))
}

/// Whether every program in it is one of the ordinary ones.
fn ordinary(text: &str) -> bool {
    text.split([';', '|', '&', '\n']).map(str::trim).filter(|part| !part.is_empty()).all(|part| {
        let mut words = part.split_whitespace().filter(|word| !word.contains('='));
        let mut first = words.next().unwrap_or_default();
        if matches!(first, "sudo" | "time" | "nohup") {
            first = words.next().unwrap_or_default();
        }
        let base = first.rsplit('/').next().unwrap_or(first).trim_end_matches(".exe");
        base.is_empty()
            || ORDINARY.contains(&base)
            || base.starts_with('#')
            || base.starts_with("python") && !part.contains(" -c ")
    })
}

/// Whether one command runs a tool that code has reasons for.
pub(crate) fn asks(command: &str) -> bool {
    let first = command.split_whitespace().next().unwrap_or_default();
    let base = first.rsplit(['/', '\\']).next().unwrap_or(first).trim_end_matches(".exe");
    TOOLS.contains(&base) && !command.contains([';', '|', '&', '`', '$', '\n']) && !command.contains("-c core.")
}

/// Whether a line that begins with this word is a command of a shell.
pub(crate) fn is_program(word: &str) -> bool {
    let base = word.rsplit('/').next().unwrap_or(word);
    let assigned =
        word.split_once('=').is_some_and(|(name, _)| name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_'));
    let fetches = harm::FETCHERS.iter().chain(harm::SENDERS).any(|program| program.trim_end() == base);
    ORDINARY.contains(&base)
        || INTERPRETERS.contains(&base)
        || fetches
        || assigned
        || matches!(base, "eval" | "exec" | "dd" | "crontab" | "nohup" | "chmod" | "mkfifo" | "socat" | "systemctl")
        || word.starts_with(['(', '{', '$'])
}

/// The first hundred characters.
pub(crate) fn shortened(text: &str) -> String {
    let text = text.trim();
    let mut out: String = text.chars().take(100).collect();
    if out.len() < text.len() {
        out.push('…');
    }
    out
}
