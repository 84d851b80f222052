//! Secrets that leave: which commands read them, and which send what they are given. Nothing is run.

use super::{
    harm::{CREDENTIALS, GUARDING},
    words::Word,
};

/// Whether a command puts out what is secret: a file of keys, or all that the environment holds.
pub(super) fn reads(name: &str, args: &[Word]) -> bool {
    if matches!(name, "env" | "printenv") && args.is_empty() {
        return true;
    }
    !GUARDING.contains(&name)
        && !matches!(name, "ssh" | "git" | "docker" | "kubectl" | "aws")
        && named(args).any(is_secret)
}

/// Words that name what is read: behind `-i` stands the key that opens a door.
fn named(args: &[Word]) -> impl Iterator<Item = &str> {
    let mut before = "";
    args.iter()
        .map(|word| word.text.as_str())
        .filter(move |word| !matches!(std::mem::replace(&mut before, word), "-i" | "-e"))
}

fn is_secret(word: &str) -> bool {
    let lower = word.trim_matches(['"', '\'']).to_lowercase();
    let public = lower.rsplit_once('.').is_some_and(|(_, end)| end == "pub");
    !public && !lower.contains("$(") && CREDENTIALS.iter().any(|name| lower.contains(name))
}

/// Whether a command sends what flows into it.
pub(super) fn sends_input(name: &str, args: &[Word]) -> bool {
    match name {
        "curl" => args
            .iter()
            .any(|word| word.text.contains("@-") || matches!(word.text.as_str(), "-T" | "--upload-file" | "-T-")),
        "wget" => args.iter().any(|word| word.text.contains("/dev/stdin")),
        _ => matches!(name, "nc" | "ncat" | "netcat" | "telnet" | "socat" | "openssl" | "ftp"),
    }
}

/// The words of a command that goes to another machine, by which it can take something along.
pub(super) fn taken<'a>(name: &str, args: &'a [Word]) -> &'a [Word] {
    let sends = matches!(
        name,
        "curl"
            | "wget"
            | "nc"
            | "ncat"
            | "netcat"
            | "telnet"
            | "socat"
            | "scp"
            | "rsync"
            | "sftp"
            | "ftp"
            | "nslookup"
            | "dig"
            | "host"
            | "ping"
    );
    if sends { args } else { &[] }
}

/// The files that a command copies or packs what it reads into.
pub(super) fn packed(name: &str, args: &[Word]) -> Option<String> {
    let plain = || args.iter().filter(|word| !word.text.starts_with('-')).map(|word| word.text.clone());
    match name {
        "cp" | "mv" | "install" | "ln" | "gzip" => plain().next_back(),
        "zip" | "7z" => plain().find(|word| word.len() > 1),
        "tar" => {
            let place = args.iter().position(|word| word.text.trim_start_matches('-').ends_with('f'))?;
            args.get(place + 1).map(|word| word.text.clone())
        }
        _ => None,
    }
}
