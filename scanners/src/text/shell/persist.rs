//! Commands by which something stays when the script is over: keys that let somebody in, and tables of what runs by itself.
//! Nothing is run.

use super::{
    flow::What,
    programs::started,
    words::{Input, Simple, Text},
};

/// What a command leaves behind. `brought`: what it writes was downloaded or decoded.
pub(super) fn weigh(text: &Text, simple: &Simple, brought: bool) -> Option<What> {
    let (name, args) = started(simple);
    if name == "crontab" {
        return table(simple).then_some(What::Table);
    }
    let tee = matches!(name.as_str(), "tee" | "cp" | "install" | "mv");
    let written =
        simple.writes.iter().map(String::as_str).chain(args.iter().filter(|_| tee).map(|word| word.text.as_str()));
    if brought && simple.writes.iter().any(|file| is_start(file)) {
        return Some(What::Start);
    }
    let keys = written.into_iter().any(|file| file.trim_end_matches(['"', '\'']).ends_with("authorized_keys"));
    (keys && (brought || foreign_key(text, simple, &name))).then_some(What::Key)
}

/// Whether a shell runs this file whenever it begins.
pub(super) fn is_start(file: &str) -> bool {
    const FILES: [&str; 11] = [
        ".bashrc",
        ".bash_profile",
        ".bash_login",
        ".bash_logout",
        ".bash_aliases",
        ".profile",
        ".zshrc",
        ".zshenv",
        ".zprofile",
        ".kshrc",
        "/etc/profile",
    ];
    let file = file.trim_matches(['"', '\'']);
    FILES.iter().any(|name| file.ends_with(name))
        || file.contains("/etc/profile.d/")
        || file.ends_with("/etc/bash.bashrc")
}

/// `crontab -`, `crontab file`, and not `crontab -l`.
fn table(simple: &Simple) -> bool {
    let (_, args) = started(simple);
    let mut user = false;
    let mut reads = args.is_empty() && simple.feed.is_some();
    for word in args {
        if std::mem::take(&mut user) {
            continue;
        }
        match word.text.as_str() {
            "-l" | "-r" | "-e" | "-h" | "-V" | "--help" => return false,
            "-u" => user = true,
            "-" => reads = true,
            file => reads |= !file.starts_with('-'),
        }
    }
    reads || matches!(simple.input, Some(Input::Text(_)))
}

/// A key that somebody wrote into the text, or brought with it, is somebody else's. The own one comes from a setting, or
/// from where keys are made.
fn foreign_key(text: &Text, simple: &Simple, name: &str) -> bool {
    let before = simple.feed.clone().and_then(|feed| text.commands.get(feed));
    let commands = before.unwrap_or_default().iter().chain(std::iter::once(simple));
    let mut said = String::new();
    for command in commands {
        let (_, args) = started(command);
        for word in args {
            said.push(' ');
            said.push_str(&word.text);
        }
        match &command.input {
            Some(Input::Text(text)) => said.push_str(text),
            Some(Input::File(word)) => {
                said.push(' ');
                said.push_str(&word.text);
            }
            None => {}
        }
    }
    let forms = [
        "ssh-rsa ",
        "ssh-ed25519 ",
        "ssh-dss ",
        "ecdsa-sha2-",
        "sk-ssh-",
        "sk-ecdsa-",
        "AAAAB3Nza",
        "AAAAC3Nza",
        "AAAAE2Vj",
    ];
    if forms.iter().any(|form| said.contains(form)) {
        return true;
    }
    let own = |word: &str| {
        let word = word.trim_matches(['"', '\'']);
        word.starts_with(['$', '-', '>'])
            || word.contains(".ssh/")
            || word.ends_with("authorized_keys")
            || word.contains("id_rsa.pub")
            || word.contains("id_ed25519.pub")
            || word == "\\n"
    };
    // A file that is moved where it belongs is whoever's machine it is; what is added to the list is weighed.
    !matches!(name, "cp" | "install" | "mv") && said.split_whitespace().any(|word| !own(word))
}
