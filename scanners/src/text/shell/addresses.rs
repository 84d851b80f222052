//! Commands that download: from which addresses, into which files, and whose addresses they are. Nothing is fetched.

use super::words::Word;

/// From where something was downloaded; the last is the worst.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Fetched {
    /// From makers of a tool, who say that it is installed in this way.
    Installer,
    /// From where anybody can put something.
    Somewhere,
    /// Nobody installs an honest program from an address without a name or without protection.
    Unprotected,
}

/// Addresses from which well-known tools are installed by a pipe: the host, and how the path begins. Hosts where anybody
/// can put files are none of them.
const INSTALLERS: &[(&str, &str)] = &[
    ("ollama.com", ""),
    ("ollama.ai", ""),
    ("sh.rustup.rs", ""),
    ("get.docker.com", ""),
    ("deb.nodesource.com", ""),
    ("rpm.nodesource.com", ""),
    ("astral.sh", ""),
    ("install.python-poetry.org", ""),
    ("packagecloud.io", "/install/repositories/github/git-lfs"),
    ("raw.githubusercontent.com", "/homebrew/install/"),
    ("raw.githubusercontent.com", "/nvm-sh/nvm/"),
    ("github.com", "/conda-forge/miniforge/"),
    ("pyenv.run", ""),
    ("repo.anaconda.com", ""),
    ("bootstrap.pypa.io", ""),
    ("community.chocolatey.org", ""),
    ("get.scoop.sh", ""),
    ("get.pnpm.io", ""),
    ("bun.sh", ""),
    ("deno.land", "/install"),
    ("sdk.cloud.google.com", ""),
    ("huggingface.co", "/install.sh"),
];

/// Whether an address is that of a well-known installer.
pub(super) fn is_installer(address: &str) -> bool {
    let Some((_, rest)) = address.split_once("://") else { return false };
    let Some(host) = super::host_of(address) else { return false };
    let path = rest.find('/').and_then(|at| rest.get(at..)).unwrap_or("/").to_ascii_lowercase();
    let host = host.to_ascii_lowercase();
    !path.contains("..") && INSTALLERS.iter().any(|(known, begins)| host == *known && path.starts_with(begins))
}

/// Every address in a text.
pub(super) fn all(text: &str) -> impl Iterator<Item = &str> {
    let words = text.split_whitespace().filter_map(|word| word.find("http").and_then(|at| word.get(at..)));
    words.filter(|word| word.contains("://"))
}

/// Whether the addresses in a text are all those of installers, and there is one.
pub(super) fn only_installers(text: &str) -> bool {
    all(text).next().is_some() && all(text).all(is_installer)
}

/// Whether this is an address that anybody on the way can answer for.
pub(super) fn is_unprotected(address: &str) -> bool {
    let host = super::host_of(address).unwrap_or_default();
    let lower = address.get(..7).unwrap_or_default().to_ascii_lowercase();
    matches!(lower.as_str(), "http://" | "ftp://")
        || lower.starts_with("ftp://")
        || !host.is_empty() && host.bytes().all(|b| b.is_ascii_digit() || b == b'.')
}

/// What a command downloads, if it does.
pub(super) fn fetched(name: &str, args: &[Word]) -> Option<Fetched> {
    // A line to another machine is no way to get a program.
    let line = matches!(name, "nc" | "ncat" | "netcat" | "telnet" | "socat");
    if line || name == "openssl" && args.iter().any(|word| word.text == "s_client") {
        return Some(Fetched::Unprotected);
    }
    let options = Options::of(name)?;
    let operands = options.operands(args);
    let address =
        |word: &str| word.contains("://") || word.contains('.') && !word.starts_with(['-', '/', '.', '~', '$']);
    let addresses: Vec<&str> = operands.iter().map(String::as_str).filter(|word| address(word)).collect();
    // Whoever chooses the way, or does not look at certificates, does not know who answers.
    let around = args.iter().any(|word| {
        let word = word.text.as_str();
        matches!(word, "-k" | "--insecure" | "--no-check-certificate" | "-x" | "-K")
            || ["--proxy", "--resolve", "--connect-to", "--config", "--socks"]
                .iter()
                .any(|option| word.starts_with(option))
    });
    let judge = |address: &&str| {
        let whole = if address.contains("://") { (*address).to_owned() } else { format!("https://{address}") };
        let plain = !address.contains("://") && name == "curl" && address.contains('/');
        if is_installer(&whole) && !around {
            Fetched::Installer
        } else if is_unprotected(&whole) || plain && !address.contains('$') {
            Fetched::Unprotected
        } else {
            Fetched::Somewhere
        }
    };
    Some(addresses.iter().map(judge).max().unwrap_or(Fetched::Somewhere))
}

/// The files that a command writes what it downloads to.
pub(super) fn written(name: &str, args: &[Word]) -> Vec<String> {
    let Some(options) = Options::of(name) else { return Vec::new() };
    let mut names = Vec::new();
    let mut words = args.iter().map(|word| word.text.as_str()).peekable();
    while let Some(word) = words.next() {
        let long = ["--output=", "--output-document=", "--out="].iter().find_map(|option| word.strip_prefix(option));
        let own = match name {
            "wget" => 'O',
            _ => 'o',
        };
        let short = word.strip_prefix('-').filter(|rest| !rest.starts_with('-')).and_then(|rest| rest.split_once(own));
        match (long, short) {
            (Some(file), _) => names.push(file.to_owned()),
            (None, Some((_, glued))) if !glued.is_empty() => names.push(glued.to_owned()),
            (None, Some(_)) => names.extend(words.peek().map(|file| (*file).to_owned())),
            _ if matches!(word, "--output" | "--output-document" | "-OutFile" | "-outfile") => {
                names.extend(words.peek().map(|file| (*file).to_owned()));
            }
            _ => {}
        }
    }
    if names.is_empty() {
        // By the last part of the address.
        let last = |address: &String| {
            let path = address.split(['?', '#']).next().unwrap_or_default();
            path.rsplit('/').next().map(str::to_owned)
        };
        names.extend(options.operands(args).iter().filter_map(last).filter(|name| !name.is_empty()));
    }
    names
}

/// Which of a program's options take a value.
struct Options {
    short: &'static str,
    long: &'static [&'static str],
}

impl Options {
    fn of(name: &str) -> Option<Self> {
        let (short, long): (&str, &[&str]) = match name {
            "curl" => (
                "oHdFuAebcxXTKmwErCYyzQPtU",
                &[
                    "--output",
                    "--header",
                    "--data",
                    "--data-raw",
                    "--user",
                    "--user-agent",
                    "--referer",
                    "--cookie",
                    "--proxy",
                    "--request",
                    "--retry",
                    "--retry-delay",
                    "--max-time",
                    "--connect-timeout",
                    "--resolve",
                    "--cacert",
                    "--form",
                    "--write-out",
                ],
            ),
            "wget" => (
                "OPoaUtTeQwiA",
                &["--output-document", "--directory-prefix", "--header", "--user-agent", "--tries", "--timeout"],
            ),
            "fetch" | "lwp-download" | "lwp-request" | "aria2c" | "axel" | "http" | "https" | "xh" | "lynx" | "w3m"
            | "ftp" | "tftp" => ("odx", &["--out", "--dir"]),
            "iwr" | "irm" | "invoke-webrequest" | "invoke-restmethod" | "start-bitstransfer" | "nc" | "ncat"
            | "netcat" => ("", &[]),
            _ => return None,
        };
        Some(Self { short, long })
    }

    fn operands(&self, args: &[Word]) -> Vec<String> {
        let mut operands = Vec::new();
        let mut skip = false;
        for word in args {
            let text = word.text.as_str();
            if std::mem::take(&mut skip) {
                continue;
            }
            if let Some(address) = text.strip_prefix("--url=") {
                operands.push(address.to_owned());
            } else if let Some(option) = text.strip_prefix('-').filter(|option| !option.is_empty()) {
                let letter = option.chars().next_back().unwrap_or(' ');
                skip = self.long.contains(&text) || !option.starts_with('-') && self.short.contains(letter);
            } else {
                operands.push(text.to_owned());
            }
        }
        operands
    }
}
