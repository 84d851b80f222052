//! Words of commands that harm whoever runs them: shells for others, coins, credentials that leave, disks that are erased.
//!
//! Words are looked at, together, without what hides them. Nothing is run.

use super::{RUNS_DOWNLOADED, RUNS_UNPROTECTED, addresses};

/// Everything that a command harms, by its text as it is written, without quotes, with single blanks, and as the shell
/// takes it.
pub(super) fn all(text: &str, bare: &str, loose: &str, flat: &str) -> Vec<&'static str> {
    let mut out = Vec::new();
    for (words, how) in HARM {
        let all = |text: &str| words.iter().all(|word| stands(text, word));
        if all(bare) || all(loose) || all(flat) {
            if *how == RUNS_DOWNLOADED {
                out.extend(Some(downloaded(bare)).filter(|_| !addresses::only_installers(bare)));
            } else {
                out.push(*how);
            }
        }
    }
    // Words of one line belong together; what flows from one line to another is for `flow` to say.
    let lines = || text.lines().filter(|_| text.contains('\n')).find_map(|line| leaks(&super::bare(line)));
    let alone = Some(()).filter(|()| !text.contains('\n')).and_then(|()| leaks(bare).or_else(|| leaks(flat)));
    let more = alone.or_else(lines).or_else(|| packs(text)).or_else(|| packs(flat));
    out.extend(more.or_else(|| erases(bare)).or_else(|| erases(flat)).or_else(|| fetched_and_run(bare)));
    out
}

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
    (&["downloadfile(", "& ."], "downloads a program and runs it"),
    (&["downloadfile(", "invoke-item"], "downloads a program and runs it"),
    (&["scriptblock]::create", "irm "], "downloads text and runs it"),
    (&["scriptblock]::create", "iwr "], "downloads text and runs it"),
    (&["scriptblock]::create", "downloadstring"], "downloads text and runs it"),
    (&["scriptblock]::create", "invoke-restmethod"], "downloads text and runs it"),
    (&["scriptblock]::create", "invoke-webrequest"], "downloads text and runs it"),
    (&["downloadfile", "start-process"], "downloads a program and runs it"),
    (&["certutil", "-urlcache"], "downloads a program with a tool made for certificates"),
    (&["certutil", "-decode"], "unpacks a program with a tool made for certificates"),
    (&["bitsadmin", "/transfer"], "downloads a program in the background"),
    (&["mshta", "http"], "downloads text and runs it"),
    (&["regsvr32", "scrobj"], "downloads text and runs it"),
    (&["/etc/cron", ">"], "makes a command run again and again"),
    (&["/etc/ld.so.preload"], "puts a library into every program"),
    (&["schtasks", "/create"], "makes a command run again and again"),
    (&["currentversion\\run"], "makes a command run at every start"),
    (&["systemctl enable", "/etc/systemd"], "makes a command run at every start"),
    (&["xmrig"], "mines coins"),
    (&["stratum+tcp"], "mines coins"),
    (&[":(){ :|:& };:"], "starts processes without end"),
    (&["mkfs", "/dev/sda"], "erases a disk"),
    (&["mkfs", "/dev/nvme0"], "erases a disk"),
    (&["mkfs", "/dev/vda"], "erases a disk"),
    (&["mkfs", "/dev/xvda"], "erases a disk"),
    (&["mkfs", "/dev/mmcblk0"], "erases a disk"),
    (&["dd ", "of=/dev/sd"], "erases a disk"),
    (&["dd ", "of=/dev/nvme"], "erases a disk"),
    (&["dd ", "of=/dev/vd"], "erases a disk"),
    (&["iptables -f"], "takes the firewall down"),
    (&["setenforce 0"], "takes a protection down"),
    (&["history -c"], "hides what was done"),
    // What the machine is called and where it stands is asked every day.
    (&["169.254.169.254", "/iam"], "asks the cloud for the machine's credentials"),
    (&["169.254.169.254", "security-credentials"], "asks the cloud for the machine's credentials"),
    (&["169.254.169.254", "user-data"], "asks the cloud for the machine's credentials"),
    (&["169.254.169.254", "identity"], "asks the cloud for the machine's credentials"),
    (&["169.254.169.254", "service-accounts"], "asks the cloud for the machine's credentials"),
    (&["169.254.170.2"], "asks the cloud for the machine's credentials"),
    (&["metadata.google.internal", "service-accounts"], "asks the cloud for the machine's credentials"),
    (&["metadata.google.internal", "recursive=true"], "asks the cloud for the machine's credentials"),
];

pub(super) const FETCHERS: &[&str] = &["curl ", "wget ", "fetch ", "lwp-download ", "aria2c ", "iwr ", "irm "];
#[rustfmt::skip]
pub(super) const CREDENTIALS: &[&str] = &[
    "~/.ssh/id_", "$home/.ssh/id_", "/.ssh/id_rsa", "/.ssh/id_ed25519", ".aws/credentials", ".netrc", ".git-credentials", "/etc/shadow",
    ".kube/config", ".docker/config.json", "huggingface/token", ".bash_history", "login.keychain", "wallet.dat", ".config/gcloud", ".ssh/config",
];
pub(super) const SENDERS: &[&str] =
    &["curl ", "wget ", "nc ", "ncat ", "scp ", "rsync ", "ftp ", "/dev/tcp", "nslookup ", "dig "];

/// Whether the word is there; the short name of a program only where it is no end of another word.
pub(super) fn stands(text: &str, word: &str) -> bool {
    if !matches!(word, "nc " | "ncat " | "dd " | "iex") {
        return text.contains(word);
    }
    text.match_indices(word).any(|(at, _)| {
        let before = text.get(..at).and_then(|before| before.chars().next_back());
        before.is_none_or(|c| !c.is_alphanumeric() && !matches!(c, '_' | '-' | '.' | '$'))
    })
}
fn downloaded(text: &str) -> &'static str {
    if addresses::all(text).any(addresses::is_unprotected) { RUNS_UNPROTECTED } else { RUNS_DOWNLOADED }
}

/// Programs that only make, guard or test a file.
pub(super) const GUARDING: [&str; 11] =
    ["ssh-keygen", "chmod", "chown", "mkdir", "ls", "test", "[", "rm", "touch", "ssh-add", "ssh-keyscan"];

/// The commands that could read what is secret: not those that only make, guard or test a file, and not what is written.
/// A public key is no secret.
fn reading(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    for part in text.split_inclusive([';', '|', '&', '\n']) {
        let first = part.split_whitespace().find(|word| !matches!(*word, "sudo" | "if" | "then" | "run" | "!"));
        if first.is_some_and(|first| GUARDING.contains(&first)) {
            out.extend(part.chars().last().filter(|c| !c.is_alphanumeric()));
            continue;
        }
        let (mut skip, mut kept) = (false, Vec::new());
        for word in part.split_whitespace() {
            // `scp -i ~/.ssh/id_rsa …` opens a door with the key and does not send it.
            let key = std::mem::replace(&mut skip, matches!(word, "-i" | ">" | ">>"));
            let public = word.trim_matches(['"', '\'']).rsplit_once('.').is_some_and(|(_, end)| end == "pub");
            let written = word.starts_with('>') && word.len() > 2;
            if !key && !public && !written {
                kept.push(word);
            }
        }
        out.push_str(&kept.join(" "));
        out.push(if part.ends_with('\n') { '\n' } else { ' ' });
    }
    out
}

fn leaks(text: &str) -> Option<&'static str> {
    let text = &reading(text);
    let sends = SENDERS.iter().any(|sender| text.contains(sender));
    let environment = text.contains("$(env)")
        || text.contains("$(env |")
        || text.contains("$(env|")
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
    const LINES: [&str; 4] = ["ssh ", "openssl s_client", "telnet ", "socat "];
    let sends = |part: &str| {
        let part = part.trim_start().trim_start_matches("sudo ");
        SENDERS.iter().chain(&LINES).any(|sender| part.starts_with(sender))
    };
    // All that somebody has: `tar cz ~ | …`.
    let home = |part: &str| {
        part.split_whitespace().any(|word| matches!(word, "~" | "~/" | "$home" | "$home/" | "/root" | "/home"))
    };
    let text = text.lines().map(reading).collect::<Vec<_>>().join("\n");
    let pipes = text.lines().flat_map(|line| line.split([';', '&']));
    for pipe in pipes.filter(|pipe| pipe.contains('|')) {
        let mut read = false;
        for part in pipe.split('|') {
            let first = part.split_whitespace().find(|word| *word != "sudo").unwrap_or_default();
            if read && sends(part) {
                return Some("sends credentials to somebody else");
            }
            read |= READERS.contains(&first)
                && (FOLDERS.iter().any(|folder| part.contains(folder)) || first == "tar" && home(part));
        }
    }
    None
}
fn erases(text: &str) -> Option<&'static str> {
    for part in text.split([';', '|', '&', '\n']) {
        let part = part.trim().trim_start_matches("sudo ");
        let found = part.strip_prefix("find ").filter(|rest| rest.contains("-delete") || rest.contains("-exec rm"));
        if let Some(rest) = found
            && rest
                .split_whitespace()
                .next()
                .is_some_and(|place| matches!(place, "/" | "~" | "~/" | "$home" | "/home" | "/root"))
            && !rest.contains("-name")
        {
            return Some("erases everything");
        }
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
pub(super) fn fetched_and_run(text: &str) -> Option<&'static str> {
    let fetches = FETCHERS.iter().any(|fetcher| text.contains(fetcher));
    let runs = text.contains("chmod +x")
        || text.contains("chmod 7")
        || text.contains("chmod u+x")
        || text.contains("chmod a+x");
    let hidden = text.contains("/tmp/") || text.contains("/dev/shm") || text.contains("/var/tmp");
    if !(fetches && runs && hidden) || addresses::only_installers(text) {
        return None;
    }
    Some(if downloaded(text) == RUNS_DOWNLOADED { RUNS_DOWNLOADED } else { "downloads a program and runs it" })
}
