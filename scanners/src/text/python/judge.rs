//! Weighs what code does: which deed, with what, and when. Ordinary work of model code is silent.

use super::{
    names,
    names::Deed,
    value::{Args, HOLE, Taint, Value, What},
    walk::Walk,
};
use crate::{
    rules,
    text::shell::{self, Command, shortened},
};

/// Parts of paths where credentials lie.
#[rustfmt::skip]
const CREDENTIAL_FILES: &[&str] = &[
    "/.ssh/", "/.aws/credentials", "/.aws/config", "/.netrc", "/_netrc", "/.git-credentials", "/.kube/config", "/.docker/config.json",
    "/.config/gcloud", "/.azure/", "/.pypirc", "/.npmrc", "/huggingface/token", "/.huggingface/token", "/huggingface/stored_tokens",
    "/etc/shadow", "/etc/passwd", "/.bash_history", "/.zsh_history", "/.python_history", "/.gnupg/", "/login data", "/local state",
    "/cookies.sqlite", "/logins.json", "/key4.db", "/wallet.dat", "/.ethereum/", "/.bitcoin/", "/.electrum/", "/exodus/", "/metamask",
    "/keychains/", "/.vault-token", "/.config/gh/hosts.yml", "/.config/hub", "/.pgpass", "/.my.cnf", "/.config/solana/", "/leveldb",
    "/proc/self/environ", "/proc/1/environ", "/var/run/secrets/", "/.terraform.d/credentials", "/.cargo/credentials", "/id_rsa", "/id_ed25519",
];
/// Parts of paths from which programs start by themselves.
#[rustfmt::skip]
const START_PLACES: &[&str] = &[
    "/.bashrc", "/.bash_profile", "/.zshrc", "/.profile", "/.zprofile", "/etc/profile", "/.ssh/authorized_keys", "/.ssh/config", "/etc/cron",
    "/var/spool/cron", "/etc/systemd", "/.config/systemd", "/.config/autostart", "/launchagents/", "/launchdaemons/", "/startup/",
    "\\startup\\", "/etc/rc.local", "/etc/init.d", "/etc/ld.so.preload", "/etc/sudoers", "/etc/passwd", "/etc/hosts", "site-packages/",
    "dist-packages/", "sitecustomize", "usercustomize", "/.ipython/profile_default/startup", "/.pythonrc", "/.gitconfig", "/.git/hooks/",
    "/usr/bin/", "/usr/local/bin/", "/usr/lib/", "/system32/",
];
/// So many files are remembered, of those that the code writes and of those that it reads.
const MOST_FILES: usize = 1024;

/// A value as a reviewer may read it.
pub(super) fn said(value: &Value) -> String {
    match &value.what {
        What::List(items) => shortened(
            &items.iter().take(20).map(super::value::Value::shown).collect::<Vec<_>>().join(" ").replace(HOLE, "…"),
        ),
        _ => shortened(&value.shown().replace(HOLE, "…")),
    }
}

/// The command that would run; holes where it is not known.
fn command(args: &Args) -> Value {
    let first =
        args.given.first().or_else(|| args.named("args").or_else(|| args.named("cmd"))).cloned().unwrap_or_default();
    if let Some(items) = first.items().filter(|_| matches!(first.what, What::List(_))) {
        let words: Vec<String> = items.iter().take(256).map(Value::shown).collect();
        // `["sh", "-c", "…"]`: what is run is the last word.
        Value::text(words.join(" "))
    } else {
        let rest = args.given.get(1..).unwrap_or_default().iter().filter_map(Value::as_pattern).collect::<Vec<_>>();
        match first.as_pattern() {
            Some(text) if !rest.is_empty() => Value::text(format!("{text} {}", rest.join(" "))),
            Some(text) => Value::text(text),
            None => first.choices().into_iter().find(|c| c.as_pattern().is_some()).unwrap_or_default(),
        }
    }
}

/// A file's path without the folder of this file, which is not known.
fn inner_part(file: &str) -> &str {
    let inner = file.strip_prefix(HOLE).and_then(|rest| rest.strip_prefix('/')).unwrap_or(file);
    inner.strip_prefix("./").unwrap_or(inner)
}

/// The name of a file without its folders.
pub(super) fn last_part(file: &str) -> &str {
    file.rsplit(['/', '\\']).next().unwrap_or(file)
}

fn holds(path: &str, places: &[&str]) -> bool {
    let path = format!("/{}", path.replace('\\', "/").to_lowercase());
    places.iter().any(|place| path.contains(place))
}

impl Walk<'_> {
    /// Weighs one deed and answers with what it returns.
    #[expect(clippy::too_many_lines, reason = "one arm for each deed")]
    pub(super) fn did(&mut self, deed: Deed, path: &str, args: &Args, at: u32) -> Value {
        let result = Value::path(format!("{path}()")).tainted(args.taint());
        match deed {
            Deed::Run => self.ran(path, args, at),
            Deed::Connect => {
                self.account.connects = Some(at);
                // `sendto` has what it sends in front.
                let to =
                    if path.ends_with(".sendto") { args.given.last().cloned().unwrap_or_default() } else { args.at(0) };
                let local = to.items().is_some_and(|items| {
                    items
                        .first()
                        .and_then(Value::as_pattern)
                        .is_some_and(|host| matches!(host, "localhost" | "127.0.0.1" | "0.0.0.0" | "::1" | ""))
                });
                if !local {
                    self.weigh_connection(path, &said(&to), at);
                }
            }
            Deed::Resolve => self.resolved(path, args, at),
            Deed::Fetch | Deed::Send => {
                self.transferred(deed, path, args, at);
                return Value::path(format!("{path}()")).tainted(args.taint().with(Taint::NETWORK));
            }
            Deed::Execute => return self.executed(path, args, at),
            Deed::Unmarshal => {
                let message = format!("rebuilds code from bytes with `{path}`");
                let rule = if self.at_import() { &rules::PYTHON_IMPORT_TIME } else { &rules::PYTHON_DYNAMIC };
                self.note(rule, message, at);
                return Value::unknown(Taint::CODE);
            }
            Deed::Unpickle => self.unpickled(path, args, at),
            Deed::Native => self.note(
                &rules::PYTHON_NATIVE,
                format!("loads or builds native code with `{path}`{}", with(&args.at(0))),
                at,
            ),
            Deed::Inject => self.note(&rules::PYTHON_ATTACK, format!("puts code into memory with `{path}`"), at),
            Deed::Open => return self.opened(path, args, at),
            Deed::Read => {
                let secret = self.read(path, &args.at(0), at);
                if let (true, Some(place)) =
                    (path.contains("glob") || path.ends_with("iterdir"), args.at(0).as_pattern())
                {
                    // What lies there, by names that are not known.
                    return Value::list(vec![Value::text(format!("{place}/{HOLE}"))]).tainted(Taint::FILE.with(secret));
                }
                return Value::path(format!("{path}()")).tainted(Taint::FILE.with(secret));
            }
            Deed::Write => self.wrote(path, &args.at(0), at),
            Deed::Copy => {
                self.read(path, &args.at(0), at);
                self.wrote(path, &args.at(1), at);
            }
            Deed::Delete => self.deleted(path, &args.at(0), at),
            Deed::Render => {
                let text = args.at(0).as_pattern().unwrap_or_default().to_owned();
                if text.contains("__") && !text.contains("__class__.__name__") {
                    let message =
                        format!("hands \"{}\" to `{path}`, which reaches into Python from there", shortened(&text));
                    self.note(&rules::PYTHON_ATTACK, message, at);
                }
            }
            Deed::Roam if self.at_import() => {
                self.note(&rules::PYTHON_OBFUSCATED, format!("looks through all objects there are with `{path}`"), at);
            }
            Deed::Widen => {
                let last = args.given.last().cloned().unwrap_or_default();
                if last
                    .as_path()
                    .is_some_and(|path| path.contains("snapshot_download()") || path.contains("hf_hub_download()"))
                {
                    self.note(&rules::PYTHON_DYNAMIC, "lets modules be imported from another repository", at);
                }
                let place = last.as_text().unwrap_or_default().to_owned();
                if [".zip", ".egg", ".bin", ".whl"].iter().any(|end| place.ends_with(end)) || place.starts_with("/tmp")
                {
                    self.note(
                        &rules::PYTHON_DYNAMIC,
                        format!("lets modules be imported from `{}`", shortened(&place)),
                        at,
                    );
                }
            }
            // A metric without an owner is one of the library's own.
            Deed::Borrow if path == "evaluate.load" && !args.at(0).as_text().is_some_and(|name| name.contains('/')) => {
            }
            Deed::Borrow if self.at_import() => {
                self.note(
                    &rules::PYTHON_DYNAMIC,
                    format!("runs code of another repository with `{path}`{}", with(&args.at(0))),
                    at,
                );
            }
            Deed::Borrow | Deed::Roam => {}
            Deed::Listen => self.note(&rules::PYTHON_ATTACK, format!("reads what is typed with `{path}`"), at),
            Deed::Register => {
                self.note(&rules::PYTHON_CREDENTIALS, format!("writes settings of the system with `{path}`"), at);
            }
            Deed::RunFile if path.ends_with("spec_from_file_location") || path.ends_with("FileLoader") => {
                let file = args.get(1, if path.ends_with("Loader") { "path" } else { "location" });
                let file = file.as_pattern().unwrap_or_default().to_owned();
                if path.ends_with("Loader") && self.is_own_source(&file) {
                    self.relies_on(&file);
                    self.account.runs_own = Some(at);
                    return Value::default();
                }
                if !file.is_empty() && !file.ends_with(HOLE) && file.rsplit('.').next() != Some("py") {
                    self.note(
                        &rules::PYTHON_DYNAMIC,
                        format!("runs `{}` as Python, whatever its name says", shortened(&file)),
                        at,
                    );
                }
            }
            Deed::RunFile if self.own_sources(args).next().is_some() => {
                let own: Vec<String> = self.own_sources(args).map(str::to_owned).collect();
                for file in &own {
                    self.relies_on(file);
                }
                self.account.runs_own = Some(at);
            }
            Deed::RunFile => {
                let rule =
                    if args.taint().has(Taint::NETWORK) { &rules::PYTHON_ATTACK } else { &rules::PYTHON_DYNAMIC };
                self.note(rule, format!("runs another file as code with `{path}`{}", with(&args.at(0))), at);
            }
            Deed::Duplicate => {
                if hands_over(args) {
                    self.account.hands_over = Some(at);
                }
            }
            Deed::Tcl => {
                let words: Vec<String> = args.given.iter().map(Value::shown).collect();
                let text = words.join(" ");
                if let Some(command) =
                    ["exec ", "open |", "open \"|"].iter().find_map(|word| Some(text.split_once(word)?.1))
                {
                    let command = Args { given: vec![Value::text(command)], named: Vec::new() };
                    self.ran(path, &command, at);
                }
            }
        }
        result
    }

    /// A finding, with when it happens.
    pub(super) fn note(&mut self, rule: &'static rules::Rule, what: impl AsRef<str>, at: u32) {
        let when = if self.at_import() { "Importing this file" } else { "Calling into this code" };
        self.found(rule, at, format!("{when} {}", what.as_ref().replace("`builtins.", "`")));
    }

    fn ran(&mut self, path: &str, args: &Args, at: u32) {
        if path.ends_with("spawn") && path.starts_with("pty") {
            self.account.hands_over = Some(at);
        }
        if matches!(path, "os.fork" | "os.forkpty") {
            return;
        }
        // The command comes behind what is shown, or behind what is to talk to it.
        let behind = matches!(path, "pydoc.pipepager" | "pydoc.tempfilepager")
            || path.ends_with(".subprocess_exec")
            || path.ends_with(".subprocess_shell");
        let args = &if behind {
            let given = args.given.get(1..).unwrap_or_default().to_vec();
            Args { given: given.into_iter().chain(args.named("cmd").cloned()).collect(), named: Vec::new() }
        } else {
            args.clone()
        };
        let mut command = command(args);
        if path.starts_with("os.spawn") || path.starts_with("os.posix_spawn") {
            let rest = args.given.get(1..).unwrap_or_default().to_vec();
            command = self::command(&Args { given: vec![Value::list(rest)], named: Vec::new() });
        }
        if args.taint().has(Taint::NETWORK) {
            let taken = format!("runs with `{path}` what it took from the network");
            self.note(&rules::PYTHON_ATTACK, taken, at);
            return;
        }
        let shown = said(&command);
        let text = if path.starts_with("pip.") || path.starts_with("pip._") {
            Some(format!("pip {}", command.shown()))
        } else {
            command.as_pattern().map(str::to_owned)
        };
        let judged = text.as_deref().map_or(Command::Other, shell::judge);
        // What people type is not what code runs: there only tools that answer a question are ordinary.
        let tool = text.as_deref().is_some_and(shell::asks);
        let judged = if judged == Command::Ordinary && !tool { Command::Other } else { judged };
        let leaks = args.taint().has(Taint::SECRET);
        match judged {
            Command::Harmful(how) => {
                self.note(&rules::PYTHON_ATTACK, format!("runs \"{shown}\" with `{path}`, which {how}"), at);
            }
            _ if leaks => {
                self.note(&rules::PYTHON_CREDENTIALS, format!("hands a credential to the command \"{shown}\""), at);
            }
            Command::ForeignPackages if self.at_import() => {
                self.note(&rules::PYTHON_IMPORT_TIME, format!("installs packages from elsewhere: \"{shown}\""), at);
            }
            Command::Installs | Command::ForeignPackages => {
                self.note(&rules::PYTHON_RISKY_CALL, format!("installs packages: \"{shown}\""), at);
            }
            Command::Ordinary if self.at_import() => {
                self.note(&rules::PYTHON_RISKY_CALL, format!("runs \"{shown}\" with `{path}`"), at);
            }
            Command::Ordinary => {}
            Command::Other if self.at_import() => {
                let message = if command.is_unknown() {
                    format!("runs a command with `{path}`")
                } else {
                    format!("runs \"{shown}\" with `{path}`")
                };
                self.note(&rules::PYTHON_IMPORT_TIME, message, at);
            }
            Command::Other => {
                let message = if command.is_unknown() {
                    format!("runs a command with `{path}`")
                } else {
                    format!("runs \"{shown}\" with `{path}`")
                };
                self.note(&rules::PYTHON_RISKY_CALL, message, at);
            }
        }
    }

    pub(super) fn unpickled(&mut self, path: &str, args: &Args, at: u32) {
        let first = args.at(0);
        // Of functions that take a file, a text is its name.
        let constant = (path.ends_with("loads") || path.ends_with("decode"))
            && (first.as_bytes().is_some() || first.as_text().is_some());
        if path.starts_with("yaml.") && first.as_pattern().is_some_and(|text| text.contains("!!python/")) {
            self.note(&rules::PYTHON_ATTACK, format!("loads YAML that names Python functions with `{path}`"), at);
        } else if first.deep_taint().has(Taint::NETWORK) {
            self.note(&rules::PYTHON_ATTACK, format!("loads a pickle from the network with `{path}`"), at);
        } else if self.at_import() && !constant {
            self.note(&rules::PYTHON_RISKY_CALL, format!("loads what may carry code with `{path}`"), at);
        } else if constant && path.ends_with("loads") {
            let rule = if self.at_import() { &rules::PYTHON_IMPORT_TIME } else { &rules::PYTHON_OBFUSCATED };
            self.note(rule, format!("loads a pickle that is written in the code with `{path}`"), at);
        }
    }

    /// Answers with what the opened file's content is.
    fn opened(&mut self, path: &str, args: &Args, at: u32) -> Value {
        let file = args.get(0, "file");
        let mode = args.get(1, "mode");
        let writes = mode.as_text().is_some_and(|mode| mode.contains(['w', 'a', 'x', '+']));
        if writes {
            self.wrote(path, &file, at);
            return Value::path(format!("{path}()"));
        }
        let secret = self.read(path, &file, at);
        Value::path(format!("{path}()")).tainted(Taint::FILE.with(secret))
    }

    fn read(&mut self, path: &str, file: &Value, at: u32) -> Taint {
        let Some(text) = file.as_pattern().map(str::to_owned) else { return Taint::default() };
        // Deliberately readable by everybody, and read for user names by ordinary code.
        let open = text.ends_with("/etc/passwd") && !self.at_import();
        if text.len() < 1024 && holds(&text, CREDENTIAL_FILES) && !open {
            self.note(
                &rules::PYTHON_CREDENTIALS,
                format!("reads `{}`, where credentials lie, with `{path}`", said(file)),
                at,
            );
            let hub = text.to_lowercase().contains("huggingface/");
            return if hub { super::network::hub_token().taint } else { super::network::nobodys_secret() };
        }
        if !self.is_own_source(&text) {
            return Taint::default();
        }
        self.relies_on(&text);
        Taint::SOURCE
    }

    /// The code puts something at this place: from now on that is no file of the repository.
    pub(super) fn makes(&mut self, file: &str) {
        if file.len() < 1024 && self.account.made.len() < MOST_FILES {
            self.account.made.insert(last_part(file).to_owned());
        }
    }

    /// Python files of the same repository among the arguments.
    fn own_sources<'b>(&self, args: &'b Args) -> impl Iterator<Item = &'b str> {
        args.given.iter().filter_map(Value::as_pattern).filter(|file| self.is_own_source(file))
    }

    /// It runs what it reads of this file of the repository.
    fn relies_on(&mut self, file: &str) {
        if self.account.reads.len() < MOST_FILES {
            self.account.reads.insert(inner_part(file).to_owned());
        }
    }

    /// Whether this is a Python file of the same repository, which is looked at itself: not one that this code makes.
    fn is_own_source(&self, file: &str) -> bool {
        let inner = inner_part(file);
        last_part(inner).rsplit_once('.').is_some_and(|(_, ending)| ending == "py")
            && !inner.contains([HOLE, ':', '\\'])
            && !inner.contains("..")
            && !inner.starts_with(['/', '~'])
            && inner.len() < 1024
            && self.account.made.len() < MOST_FILES
            && self.account.reads.len() < MOST_FILES
            && !self.account.made.contains(last_part(inner))
    }

    fn wrote(&mut self, path: &str, file: &Value, at: u32) {
        let Some(text) = file.as_pattern().map(str::to_owned) else { return };
        if text.len() >= 1024 {
            return;
        }
        self.makes(&text);
        let lower = text.to_lowercase();
        if lower.starts_with("/proc/") && lower.ends_with("/mem") {
            self.note(&rules::PYTHON_ATTACK, format!("writes into the memory of a program with `{path}`"), at);
        } else if holds(&text, START_PLACES) || holds(&text, CREDENTIAL_FILES) {
            let message =
                format!("writes `{}`, from where programs start or which they trust, with `{path}`", said(file));
            self.note(&rules::PYTHON_CREDENTIALS, message, at);
        } else if self.at_import() && text.starts_with('~') && text.contains(HOLE) {
            self.note(&rules::PYTHON_RISKY_CALL, format!("changes files below `{}` with `{path}`", said(file)), at);
        } else if self.at_import()
            && [".py", ".sh", ".so", ".exe", ".bat", ".ps1", ".dll"].iter().any(|end| lower.ends_with(end))
        {
            self.note(&rules::PYTHON_RISKY_CALL, format!("writes the program `{}` with `{path}`", said(file)), at);
        }
    }

    fn deleted(&mut self, path: &str, file: &Value, at: u32) {
        let Some(text) = file.as_pattern().map(str::to_owned) else { return };
        let whole =
            matches!(text.trim_end_matches(['*', '/']), "" | "~" | "/home" | "/etc" | "/usr" | "/var" | "C:" | "C:\\")
                && !text.is_empty();
        if whole && path.ends_with("rmtree") {
            self.note(&rules::PYTHON_ATTACK, format!("deletes everything under `{}` with `{path}`", said(file)), at);
        } else if (text.starts_with('/') || text.starts_with('~'))
            && (self.at_import() || !text.starts_with("/tmp"))
            && !text.starts_with("/dev/shm")
            && !text.contains("/.cache/")
        {
            self.note(&rules::PYTHON_RISKY_CALL, format!("deletes `{}` with `{path}`", said(file)), at);
        }
    }

    fn executed(&mut self, path: &str, args: &Args, at: u32) -> Value {
        let first = args.at(0);
        let taint = args.taint();
        let callable = match &first.what {
            What::Function(..) | What::Lambda(_) | What::Partial(_) => !path.starts_with("builtins."),
            What::Path(given) => names::is_weapon(given),
            _ => false,
        };
        if callable {
            let rest = args.given.get(1..).unwrap_or_default().to_vec();
            return self.call(&first, &Args { given: rest, named: Vec::new() }, at);
        }
        if taint.has(Taint::NETWORK) {
            self.note(&rules::PYTHON_ATTACK, format!("runs text from the network as code with `{path}`"), at);
            return Value::default();
        }
        // `timeit` and its kind are given more than one text, and an interpreter of its own is named before its text.
        let own = path.starts_with("builtins.") || path.ends_with("()");
        let texts: Vec<String> = args.all().take(if own { 1 } else { 8 }).filter_map(written).collect();
        let text = texts.first().cloned();
        let hidden = first.deep_taint().has(Taint::DECODED) || taint.has(Taint::CODE);
        if hidden {
            let rule = if self.at_import() { &rules::PYTHON_IMPORT_TIME } else { &rules::PYTHON_OBFUSCATED };
            let what = text.as_deref().map_or_else(
                || "text that is encoded".to_owned(),
                |text| format!("encoded text that is \"{}\"", shortened(text)),
            );
            self.note(rule, format!("runs {what} as code with `{path}`"), at);
        }
        if path.starts_with("code.") {
            self.note(&rules::PYTHON_DYNAMIC, format!("starts an interpreter with `{path}`"), at);
        }
        if !texts.is_empty() {
            return texts.iter().fold(Value::default(), |_, text| self.inner_code(text, at));
        }
        // What stands in Python files of the repository is looked at there.
        let whole = first.as_path().is_some_and(|path| {
            let read = path.strip_suffix(".decode()").unwrap_or(path);
            read.ends_with("open().read()") || read.ends_with("Path.read_text()") || read.ends_with("Path.read_bytes()")
        });
        if whole && first.taint == Taint::FILE.with(Taint::SOURCE) {
            self.account.runs_own = Some(at);
            return Value::default();
        }
        if !hidden && !matches!(first.what, What::Function(..) | What::Lambda(_)) {
            let from = if taint.has(Taint::FILE) { "the content of a file" } else { "text that is made while it runs" };
            self.note(&rules::PYTHON_DYNAMIC, format!("runs {from} as code with `{path}`"), at);
        }
        Value::default()
    }

    /// A module whose name cannot be known from the text.
    pub(super) fn import_unknown(&mut self, args: &Args, at: u32) -> Value {
        if args.taint().has(Taint::DECODED) {
            self.note(&rules::PYTHON_OBFUSCATED, "imports a module whose name is encoded", at);
        }
        Value::path("?")
    }

    /// `getattr(module, something unknown)`.
    pub(super) fn attribute_unknown(&mut self, on: &Value, name: &Value, at: u32) -> Option<Value> {
        let module = on.as_path()?;
        let tells = matches!(module, "os" | "subprocess" | "builtins" | "ctypes" | "pty" | "?");
        if tells
            && (name.taint.has(Taint::DECODED)
                || self.at_import() && self.guesses == 0 && matches!(module, "builtins" | "?"))
        {
            self.note(
                &rules::PYTHON_OBFUSCATED,
                format!("takes something from `{module}` whose name cannot be read in the code"),
                at,
            );
        }
        // `"c_" + kind` is one of many types.
        let begins = name.as_pattern().and_then(|name| name.split(HOLE).next()).filter(|begin| !begin.is_empty());
        if begins.is_some_and(|begin| super::effects::is_harmless(&format!("{module}.{begin}"))) {
            return Some(Value::default());
        }
        Some(Value::path(format!("{module}.?")))
    }

    /// `object.__subclasses__()` and its kind.
    pub(super) fn every_class(&mut self, at: u32) {
        self.note(
            &rules::PYTHON_ATTACK,
            "goes from any object to all classes there are, as code does that must not import",
            at,
        );
    }

    /// What `__reduce__` returns is called when a pickle of the object is loaded.
    pub(super) fn reduced(&mut self, returns: &Value, at: u32) {
        let first = returns.items().and_then(|items| items.first().cloned()).unwrap_or_default();
        for choice in first.choices() {
            if let Some(path) = choice.as_path()
                && matches!(names::deed(path), Some(Deed::Run | Deed::Execute | Deed::Connect))
            {
                let message = format!("Objects of this class call `{path}` when a pickle of them is loaded");
                self.found(&rules::PYTHON_ATTACK, at, message);
            }
        }
    }

    /// A line that a notebook hands to the shell.
    pub(super) fn cell_command(&mut self, line: &str, at: u32) {
        if let Some((rule, message)) = crate::text::notebook::shell_message(line) {
            self.found(rule, at, message);
        }
    }
}

/// A text that is known whole.
fn written(value: &Value) -> Option<String> {
    match &value.what {
        What::Bytes(bytes) => Some(String::from_utf8_lossy(bytes).into_owned()),
        _ => value.as_text().map(str::to_owned),
    }
}

/// Whether `os.dup2` of these puts something in the place of the standard input that can be a connection. What goes into a
/// log file is ordinary.
fn hands_over(args: &Args) -> bool {
    let from = args.at(0);
    let to = args.get(1, "fd2");
    let file = |path: &str| {
        ["builtins.open", "io.open", "os.open", "codecs.open", "tempfile.", "sys."]
            .iter()
            .any(|start| path.starts_with(start))
    };
    let output = to.as_number().is_some_and(|number| number != 0)
        || to.as_path().is_some_and(|path| path.contains("stdout") || path.contains("stderr"));
    !output && !from.as_path().is_some_and(file)
}

fn with(value: &Value) -> String {
    let said = said(value);
    if said.is_empty() || said == "…" { String::new() } else { format!(": \"{said}\"") }
}
