//! Shell commands, wherever they stand: in scripts, notebooks, Python. Says which of them do harm whoever runs them.
//!
//! Not a shell: words are looked at, quotes and substitutions are not followed further than their text.

use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

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

/// What a command harms, whoever runs it; each with the words that have to be there together.
const HARM: &[(&[&str], &str)] = &[
    (&["/dev/tcp/"], "opens a shell to another machine"),
    (&["/dev/udp/"], "opens a shell to another machine"),
    (&["bash -i", ">&"], "opens a shell to another machine"),
    (&["nc ", " -e "], "opens a shell to another machine"),
    (&["ncat ", " -e "], "opens a shell to another machine"),
    (&["nc ", " -c ", "sh"], "opens a shell to another machine"),
    (&["mkfifo", "nc "], "opens a shell to another machine"),
    (&["socat", "exec:"], "opens a shell to another machine"),
    (&["socket", "connect", "dup2"], "opens a shell to another machine"),
    (&["system.net.sockets.tcpclient"], "opens a shell to another machine"),
    (&["powershell", " -enc"], "runs an encoded command"),
    (&["powershell", " -ec "], "runs an encoded command"),
    (&["powershell", "-encodedcommand"], "runs an encoded command"),
    (&["pwsh", " -enc"], "runs an encoded command"),
    (&["frombase64string", "iex"], "runs an encoded command"),
    (&["downloadstring", "iex"], "downloads text and runs it"),
    (&["downloadstring", "invoke-expression"], "downloads text and runs it"),
    (&["invoke-webrequest", "iex"], "downloads text and runs it"),
    (&["downloadfile", "start-process"], "downloads a program and runs it"),
    (&["certutil", "-urlcache"], "downloads a program with a tool made for certificates"),
    (&["certutil", "-decode"], "unpacks a program with a tool made for certificates"),
    (&["bitsadmin", "/transfer"], "downloads a program in the background"),
    (&["mshta", "http"], "downloads text and runs it"),
    (&["regsvr32", "scrobj"], "downloads text and runs it"),
    (&["authorized_keys", ">>"], "lets somebody else log in"),
    (&["authorized_keys", "tee"], "lets somebody else log in"),
    (&["crontab -"], "makes a command run again and again"),
    (&["/etc/cron", ">"], "makes a command run again and again"),
    (&["/etc/ld.so.preload"], "puts a library into every program"),
    (&["schtasks", "/create"], "makes a command run again and again"),
    (&["currentversion\\run"], "makes a command run at every start"),
    (&["systemctl enable", "/etc/systemd"], "makes a command run at every start"),
    (&[">> ~/.bashrc", "curl"], "makes a command run at every start"),
    (&[">> ~/.bashrc", "base64"], "makes a command run at every start"),
    (&["xmrig"], "mines coins"),
    (&["stratum+tcp"], "mines coins"),
    (&[":(){ :|:& };:"], "starts processes without end"),
    (&["mkfs.", "/dev/"], "erases a disk"),
    (&["dd ", "of=/dev/sd"], "erases a disk"),
    (&["iptables -f"], "takes the firewall down"),
    (&["setenforce 0"], "takes a protection down"),
    (&["history -c"], "hides what was done"),
    (&["169.254.169.254"], "asks the cloud for the machine's credentials"),
    (&["metadata.google.internal"], "asks the cloud for the machine's credentials"),
];

const FETCHERS: &[&str] = &["curl ", "wget ", "fetch ", "lwp-download ", "aria2c ", "iwr ", "irm "];
#[rustfmt::skip]
const INTERPRETERS: &[&str] = &[
    "sh", "bash", "zsh", "dash", "ksh", "python", "python3", "perl", "ruby", "node", "php", "sudo", "iex", "base64", "osascript", "su",
];
#[rustfmt::skip]
const CREDENTIALS: &[&str] = &[
    "~/.ssh/id_", "$home/.ssh/id_", "/.ssh/id_rsa", "/.ssh/id_ed25519", ".aws/credentials", ".netrc", ".git-credentials", "/etc/shadow",
    ".kube/config", ".docker/config.json", "huggingface/token", ".bash_history", "login.keychain", "wallet.dat", ".config/gcloud",
];
const SENDERS: &[&str] = &["curl ", "wget ", "nc ", "ncat ", "scp ", "rsync ", "ftp ", "/dev/tcp", "nslookup ", "dig "];

/// How installers of honest programs work as well.
pub(crate) const RUNS_DOWNLOADED: &str = "downloads text and runs it";

/// What a command comes to.
pub(crate) fn judge(command: &str) -> Command {
    let text: String = command.chars().take(1 << 16).collect::<String>().to_lowercase();
    // Quotes and backslashes within words hide them from readers, not from the shell.
    let bare: String =
        text.replace("\\\n", " ").chars().filter(|c| !matches!(c, '"' | '\'' | '\\' | '^' | '`')).collect();
    let bare = bare.split_whitespace().collect::<Vec<_>>().join(" ").replace("${ifs}", " ").replace("$ifs", " ");
    let loose = text.split_whitespace().collect::<Vec<_>>().join(" ");
    for (words, how) in HARM {
        let all = |text: &str| words.iter().all(|word| stands(text, word));
        if all(&bare) || all(&loose) {
            if *how == RUNS_DOWNLOADED {
                let known = addresses(&bare).next().is_some() && addresses(&bare).all(is_installer);
                return if known { Command::Installs } else { Command::Harmful(downloaded(&bare)) };
            }
            return Command::Harmful(how);
        }
    }
    if piped(&bare).is_some() && addresses(&bare).next().is_some() && addresses(&bare).all(is_installer) {
        return Command::Installs;
    }
    if let Some(how) = piped(&bare)
        .or_else(|| leaks(&bare))
        .or_else(|| packs(&text))
        .or_else(|| erases(&bare))
        .or_else(|| fetched_and_run(&bare))
    {
        return Command::Harmful(how);
    }
    packages(&bare).unwrap_or_else(|| if ordinary(&bare) { Command::Ordinary } else { Command::Other })
}

/// Addresses from which well-known tools are installed by a pipe.
#[rustfmt::skip]
const INSTALLERS: &[&str] = &["ollama.com", "ollama.ai", "sh.rustup.rs", "get.docker.com", "deb.nodesource.com", "astral.sh", "install.python-poetry.org", "packagecloud.io", "hf.co", "repo.anaconda.com", "bootstrap.pypa.io", "community.chocolatey.org", "get.scoop.sh"];

/// Whether the word is there; the short name of a program only where it is no end of another word.
fn stands(text: &str, word: &str) -> bool {
    if !matches!(word, "nc " | "ncat " | "dd " | "iex") {
        return text.contains(word);
    }
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '$'))
    })
}

fn is_installer(address: &str) -> bool {
    host_of(address).is_some_and(|host| INSTALLERS.contains(&host))
}

fn addresses(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split_whitespace().filter_map(|word| word.find("http").and_then(|at| word.get(at..)));
    words.filter(|word| word.contains("://"))
}

/// `curl … | sh`, `base64 -d … | sh`, `sh -c "$(curl …)"`, `bash <(curl …)`.
fn piped(text: &str) -> Option<&'static str> {
    let fetches = FETCHERS.iter().any(|fetcher| text.contains(fetcher));
    let decodes = text.contains("base64 -d")
        || text.contains("base64 --decode")
        || text.contains("xxd -r")
        || text.contains("rev |");
    let substituted =
        text.contains("$(curl") || text.contains("$(wget") || text.contains("<(curl") || text.contains("<(wget");
    if substituted && INTERPRETERS.iter().any(|name| text.contains(&format!("{name} "))) || text.contains("eval $(curl")
    {
        return Some(downloaded(text));
    }
    let mut parts = text.split('|');
    parts.next();
    let interprets = parts.any(|part| {
        let mut words = part.split_whitespace().filter(|word| !word.contains('='));
        let first = words.next().unwrap_or_default();
        let first = first.rsplit('/').next().unwrap_or(first);
        let first =
            if matches!(first, "sudo" | "env" | "nohup" | "exec") { words.next().unwrap_or_default() } else { first };
        let first = first.rsplit('/').next().unwrap_or(first);
        first != "base64" && INTERPRETERS.contains(&first.trim_end_matches([';', ')', '}']))
            // `| python -m json.tool` and `| python -c …` read data.
            && !part.contains(" -m ") && !part.contains(" -c ")
    });
    if interprets && fetches {
        return Some(downloaded(text));
    }
    if decodes && (interprets || text.contains("eval") || text.contains("sh -c") || text.contains("bash -c")) {
        return Some("decodes text and runs it");
    }
    None
}

/// Nobody installs an honest program from an address without a name or without protection.
fn downloaded(text: &str) -> &'static str {
    let bare = |address: &str| {
        let host = host_of(address).unwrap_or_default();
        address.starts_with("http://") || !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.')
    };
    if addresses(text).any(bare) { "downloads text from an unprotected address and runs it" } else { RUNS_DOWNLOADED }
}

fn leaks(text: &str) -> Option<&'static str> {
    // `scp -i ~/.ssh/id_rsa …` opens a door with the key and does not send it.
    let (mut kept, mut key) = (Vec::new(), false);
    for word in text.split_whitespace() {
        if !std::mem::replace(&mut key, word == "-i") {
            kept.push(word);
        }
    }
    let text = &kept.join(" ");
    let sends = SENDERS.iter().any(|sender| text.contains(sender));
    let environment = text.contains("$(env)")
        || text.contains("$(printenv")
        || text.starts_with("env |")
        || text.contains("printenv |")
        || text.contains("; env |");
    if sends && (CREDENTIALS.iter().any(|name| text.contains(name)) || environment) {
        return Some("sends credentials to somebody else");
    }
    let token = text.contains("$hf_token") || text.contains("$aws_secret_access_key") || text.contains("$github_token");
    if sends
        && token
        && !text.contains("huggingface.co")
        && !text.contains("github.com")
        && !text.contains("amazonaws.com")
    {
        return Some("sends credentials to somebody else");
    }
    None
}

/// `tar cz ~/.ssh ~/.aws | curl …`: whole folders of keys, read and sent in one pipe.
fn packs(text: &str) -> Option<&'static str> {
    const FOLDERS: [&str; 9] = [
        "~/.ssh",
        "$home/.ssh",
        "~/.aws",
        "$home/.aws",
        "~/.gnupg",
        "~/.kube",
        "~/.config/gcloud",
        "/root/.ssh",
        "~/.cache/huggingface",
    ];
    const READERS: [&str; 8] = ["tar", "zip", "cat", "base64", "gzip", "find", "xxd", "openssl"];
    let sends =
        |part: &str| SENDERS.iter().any(|sender| part.trim_start().trim_start_matches("sudo ").starts_with(sender));
    let pipes = text.lines().flat_map(|line| line.split([';', '&']));
    for pipe in pipes.filter(|pipe| pipe.contains('|')) {
        let mut read = false;
        for part in pipe.split('|') {
            let first = part.split_whitespace().find(|word| *word != "sudo").unwrap_or_default();
            if read && sends(part) {
                return Some("sends credentials to somebody else");
            }
            read |= READERS.contains(&first) && FOLDERS.iter().any(|folder| part.contains(folder));
        }
    }
    None
}

fn erases(text: &str) -> Option<&'static str> {
    for part in text.split([';', '|', '&', '\n']) {
        let part = part.trim().trim_start_matches("sudo ");
        let Some(rest) = part.strip_prefix("rm ") else { continue };
        let forced = rest.split_whitespace().any(|word| word.starts_with('-') && word.contains('r'));
        let root = rest.split_whitespace().any(|word| {
            matches!(
                word,
                "/" | "/*" | "~" | "~/" | "~/*" | "$home" | "$home/*" | "/home" | "/etc" | "/usr" | "/var" | "/boot"
            )
        });
        if forced && (root || rest.contains("--no-preserve-root")) {
            return Some("erases everything");
        }
    }
    None
}

/// A program is fetched, made executable and started in one command.
fn fetched_and_run(text: &str) -> Option<&'static str> {
    let fetches = FETCHERS.iter().any(|fetcher| text.contains(fetcher));
    let runs = text.contains("chmod +x")
        || text.contains("chmod 7")
        || text.contains("chmod u+x")
        || text.contains("chmod a+x");
    let hidden = text.contains("/tmp/") || text.contains("/dev/shm") || text.contains("/var/tmp");
    if !(fetches && runs && hidden) || addresses(text).next().is_some() && addresses(text).all(is_installer) {
        return None;
    }
    Some(if downloaded(text) == RUNS_DOWNLOADED { RUNS_DOWNLOADED } else { "downloads a program and runs it" })
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
    let foreign = addresses(text).any(|address| !known(address));
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
    let fetches = FETCHERS.iter().chain(SENDERS).any(|program| program.trim_end() == base);
    ORDINARY.contains(&base)
        || INTERPRETERS.contains(&base)
        || fetches
        || assigned
        || matches!(base, "eval" | "exec" | "dd" | "crontab" | "nohup" | "chmod" | "mkfifo" | "socat" | "systemctl")
        || word.starts_with(['(', '{', '$'])
}

/// Inspects a shell, batch or PowerShell script. That it is a script at all is for the one who calls to say.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    scan.steps(text.len() as u64 / 16)?;
    inspect_lines(scan, source, text, |_| false);
    Ok(())
}

/// Looks at the commands of a text, one by one and together. Lines that are `skipped` are none.
pub(crate) fn inspect_lines(scan: &mut Scan<'_>, source: &Source, text: &str, skipped: impl Fn(&str) -> bool) {
    let joined = text.replace("\\\n", " ");
    let comment = |line: &str| {
        let bare = line.trim_start();
        bare.starts_with('#') || bare.get(..4).is_some_and(|start| start.eq_ignore_ascii_case("rem ")) || skipped(line)
    };
    let (mut at, mut found) = (0_u64, false);
    for line in joined.lines() {
        let start = at;
        at += line.len() as u64 + 1;
        if comment(line) {
            continue;
        }
        let Command::Harmful(how) = judge(line) else { continue };
        let message = format!("A command in this script {how}: `{}`.", shortened(line));
        // People do install programs by running what they download: somebody should look, and it is no attack by itself.
        let rule = if how == RUNS_DOWNLOADED { &rules::SCRIPT_FILE } else { &rules::SHELL_HARM };
        scan.found(rule, source, start, message);
        found = true;
    }
    // What is spread over lines.
    let commands: Vec<&str> = joined.lines().filter(|line| !comment(line)).collect();
    if !found && let Some(how) = together(&commands.join("\n")) {
        let rule = if how == RUNS_DOWNLOADED { &rules::SCRIPT_FILE } else { &rules::SHELL_HARM };
        scan.found(rule, source, 0, format!("The commands of this script together do harm: it {how}."));
    }
}

/// What commands do together that none of them does alone. Long scripts hold words of everything, and only what cannot be
/// meant otherwise is asked of them.
fn together(commands: &str) -> Option<&'static str> {
    const SHORT: usize = 4096;
    let text: String = commands.chars().take(1 << 16).collect::<String>().to_lowercase();
    let bare: String = text.chars().filter(|c| !matches!(c, '"' | '\'' | '\\' | '^' | '`')).collect();
    if let Some(how) = fetched_and_run(&bare).filter(|how| bare.len() <= SHORT || *how != RUNS_DOWNLOADED) {
        return Some(how);
    }
    if stands(&bare, "mkfifo") && bare.lines().any(|line| line.contains('|') && stands(line, "nc ")) {
        return Some("opens a shell to another machine");
    }
    let decodes = ["base64 -d", "base64 --decode", "xxd -r"].iter().any(|words| bare.contains(words));
    if decodes && bare.len() <= SHORT && (bare.contains("eval $") || bare.contains("sh -c $")) {
        return Some("decodes text and runs it");
    }
    match judge(commands) {
        Command::Harmful(how)
            if commands.len() <= SHORT && commands.lines().count() <= 40 && how != RUNS_DOWNLOADED =>
        {
            Some(how)
        }
        _ => None,
    }
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
