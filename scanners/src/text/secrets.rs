//! Secrets in text: tokens, keys and passwords by the forms that their issuers give them. What is found is never repeated;
//! placeholders, hashes and vocabularies are left alone.

use std::sync::LazyLock;

use memchr::memmem::{self, Finder};

use crate::{
    read::base64,
    rules,
    scan::{Scan, Scanned},
    source::Source,
};

/// One issuer's form: how it begins, and how long the rest is.
struct Form {
    what: &'static str,
    begins: &'static str,
    /// Bytes after the beginning, at least and at most.
    rest: (usize, usize),
    letters: fn(u8) -> bool,
}

const fn form(what: &'static str, begins: &'static str, rest: (usize, usize), letters: fn(u8) -> bool) -> Form {
    Form { what, begins, rest, letters }
}

fn upper(b: u8) -> bool {
    b.is_ascii_uppercase() || b.is_ascii_digit()
}

fn plain(b: u8) -> bool {
    b.is_ascii_alphanumeric()
}

fn hex(b: u8) -> bool {
    b.is_ascii_hexdigit()
}

fn low_hex(b: u8) -> bool {
    matches!(b, b'0'..=b'9' | b'a'..=b'f')
}

fn url(b: u8) -> bool {
    b.is_ascii_alphanumeric() || matches!(b, b'-' | b'_')
}

fn dotted(b: u8) -> bool {
    url(b) || b == b'.'
}

const FORMS: &[Form] = &[
    form("An AWS access key", "AKIA", (16, 16), upper),
    form("A temporary AWS access key", "ASIA", (16, 16), upper),
    form("A Hugging Face token", "hf_", (34, 37), plain),
    form("A Hugging Face organisation token", "api_org_", (34, 34), plain),
    form("A GitHub token", "ghp_", (36, 36), plain),
    form("A GitHub token", "gho_", (36, 36), plain),
    form("A GitHub token", "ghu_", (36, 36), plain),
    form("A GitHub token", "ghs_", (36, 36), plain),
    form("A GitHub token", "ghr_", (36, 76), plain),
    form("A GitHub token", "github_pat_", (82, 82), url),
    form("A GitLab token", "glpat-", (20, 64), url),
    form("An OpenAI key", "sk-proj-", (40, 200), url),
    form("An OpenAI key", "sk-svcacct-", (40, 200), url),
    form("An OpenAI key", "sk-", (48, 48), plain),
    form("An Anthropic key", "sk-ant-", (80, 140), url),
    form("An OpenRouter key", "sk-or-v1-", (64, 64), hex),
    form("A Slack token", "xoxb-", (40, 120), url),
    form("A Slack token", "xoxp-", (40, 120), url),
    form("A Google key", "AIza", (35, 35), url),
    form("A Google sign-in token", "ya29.", (60, 300), url),
    form("A Stripe key", "sk_live_", (24, 120), plain),
    form("A Stripe key", "rk_live_", (24, 120), plain),
    form("A SendGrid key", "SG.", (66, 66), dotted),
    form("An npm token", "npm_", (36, 36), plain),
    form("A package index token", "pypi-AgEI", (60, 250), url),
    form("A Replicate token", "r8_", (37, 37), plain),
    form("A Groq key", "gsk_", (52, 52), plain),
    form("A Twilio key", "SK", (32, 32), low_hex),
    form("A Databricks token", "dapi", (32, 32), hex),
    form("A Telegram or similar webhook", "https://hooks.slack.com/services/", (40, 80), |b| url(b) || b == b'/'),
    form("A Discord webhook", "https://discord.com/api/webhooks/", (70, 120), |b| url(b) || b == b'/'),
];

/// Each form's beginning, made ready once for all texts.
static BEGINNINGS: LazyLock<Vec<Finder<'static>>> =
    LazyLock::new(|| FORMS.iter().map(|form| Finder::new(form.begins)).collect());

/// What stands in documentation in the place of a secret.
#[rustfmt::skip]
const PLACEHOLDERS: &[&str] =
    &["example", "xxxx", "your", "placeholder", "dummy", "fake", "redacted", "replace", "insert", "1234567", "abcdefg", "00000", "sample", "changeme", "hftoken", "*****", "....", "secret_key", "notreal"];

/// Inspects the text.
pub(crate) fn inspect(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    scan.steps(text.len() as u64 / 8)?;
    let bytes = text.as_bytes();
    let mut found: Vec<(usize, &'static str, &str)> = Vec::new();
    for (form, beginning) in FORMS.iter().zip(BEGINNINGS.iter()) {
        for at in beginning.find_iter(bytes) {
            if let Some(secret) = whole(text, at, form)
                && !is_placeholder(secret.get(form.begins.len()..).unwrap_or_default())
                && varied(secret.as_bytes().get(form.begins.len()..).unwrap_or_default())
            {
                found.push((at, form.what, secret));
            }
        }
    }
    keys(text, &mut found);
    addresses(text, &mut found);
    tickets(text, &mut found);
    named(source, text, &mut found);
    found.sort_by_key(|(at, ..)| *at);
    found.dedup_by_key(|(at, ..)| *at);
    for (at, what, secret) in found.into_iter().take(50) {
        let begin: String = secret.chars().take(4).collect();
        let message =
            format!("{what} is written here: it begins with `{begin}` and is {} characters long.", secret.len());
        scan.found(&rules::SECRET, source, at as u64, message);
    }
    Ok(())
}

/// The secret at `at`, if it stands alone: neither before it nor behind it the letters go on.
fn whole<'a>(text: &'a str, at: usize, form: &Form) -> Option<&'a str> {
    let bytes = text.as_bytes();
    let before = at.checked_sub(1).and_then(|before| bytes.get(before));
    if before.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'+' | b'-')) {
        return None;
    }
    let start = at + form.begins.len();
    let length = bytes.get(start..)?.iter().take(form.rest.1 + 1).take_while(|b| (form.letters)(**b)).count();
    if length < form.rest.0 || length > form.rest.1 {
        return None;
    }
    let after = bytes.get(start + length);
    if after.is_some_and(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'/' | b'+')) {
        return None;
    }
    text.get(at..start + length)
}

fn is_placeholder(secret: &str) -> bool {
    let lower = secret.to_ascii_lowercase();
    PLACEHOLDERS.iter().any(|word| lower.contains(word))
}

/// Whether the letters are as mixed as chance makes them.
fn varied(secret: &[u8]) -> bool {
    let mut seen = [false; 256];
    for byte in secret {
        if let Some(seen) = seen.get_mut(usize::from(*byte)) {
            *seen = true;
        }
    }
    let different = seen.iter().filter(|seen| **seen).count();
    let needed = (secret.len() / 3).clamp(7, 14);
    let digits = secret.iter().filter(|b| b.is_ascii_digit()).count();
    let letters = secret.iter().filter(|b| b.is_ascii_alphabetic()).count();
    let cases = secret.iter().any(u8::is_ascii_lowercase) && secret.iter().any(u8::is_ascii_uppercase);
    different >= needed && letters > 0 && (digits > 0 || cases)
}

/// Private keys: the line that opens one, and enough of a key behind it.
fn keys<'a>(text: &'a str, found: &mut Vec<(usize, &'static str, &'a str)>) {
    for at in memmem::find_iter(text.as_bytes(), "-----BEGIN ") {
        let Some(line) = text.get(at..).and_then(|rest| rest.lines().next()) else { continue };
        let Some(header) = line.get(..line.len().min(64)).filter(|line| line.contains("PRIVATE KEY")) else { continue };
        let Some(end) = header.rfind("-----").filter(|end| *end > 10) else { continue };
        let body = text.get(at + end + 5..).unwrap_or_default();
        let body = body.split("-----").next().unwrap_or_default().replace("\\n", "");
        let letters = body.bytes().filter(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        if letters >= 64
            && varied(body.as_bytes())
            && !body.contains("...")
            && !is_placeholder(body.get(..48).unwrap_or_default())
        {
            found.push((at, "A private key", header));
        }
    }
}

/// Passwords in addresses: `postgres://user:password@host`.
fn addresses<'a>(text: &'a str, found: &mut Vec<(usize, &'static str, &'a str)>) {
    for at in memmem::find_iter(text.as_bytes(), "://") {
        let after = text.get(at + 3..).unwrap_or_default();
        let end = after
            .find(|c: char| c.is_whitespace() || "/?#\"'`<>()[]{}|,;\\$".contains(c))
            .unwrap_or(after.len().min(300));
        let Some((login, host)) = after.get(..end).and_then(|part| part.rsplit_once('@')) else { continue };
        let Some((user, password)) = login.split_once(':') else { continue };
        let local = host.starts_with("localhost")
            || host.starts_with("127.")
            || host.starts_with("host")
            || (host.contains("example") || host.contains("company")) && !drawn(password)
            || !host.contains('.');
        let weak = ["password", "pass", "passwd", "pwd", "token", "secret", "key", "user"]
            .contains(&password.to_lowercase().as_str());
        if user.is_empty()
            || user.len() > 64
            || password.len() < 8
            || password.len() > 200
            || local
            || weak
            || is_placeholder(password)
            || !varied_word(password)
        {
            continue;
        }
        found.push((at + 3 + user.len() + 1, "A password in an address", password));
    }
}

/// Signed tickets (JWT): three parts in base64, of which the first names its algorithm.
fn tickets<'a>(text: &'a str, found: &mut Vec<(usize, &'static str, &'a str)>) {
    const TICKET: Form = form("A signed access ticket (JWT)", "eyJ", (60, 4000), dotted);
    for at in memmem::find_iter(text.as_bytes(), TICKET.begins) {
        let Some(ticket) = whole(text, at, &TICKET) else { continue };
        let parts: Vec<&str> = ticket.split('.').collect();
        let [head, body, signature] = parts[..] else { continue };
        let decoded = |part: &str| String::from_utf8_lossy(&base64::decode(part.as_bytes())).into_owned();
        let (head, claims) = (decoded(head), decoded(body));
        // Addresses of pictures carry tickets that end within minutes, and those of documentation belong to nobody.
        let before = text.get(..at).unwrap_or_default();
        let word = before.rsplit(|c: char| c.is_whitespace() || matches!(c, '"' | '\'' | '(' | '<')).next();
        let shown = claims.contains("1234567890") || claims.contains("John Doe") || is_placeholder(ticket);
        if head.contains("\"alg\"")
            && claims.starts_with('{')
            && signature.len() >= 20
            && varied(signature.as_bytes())
            && !shown
            && !word.is_some_and(|word| word.contains("://"))
        {
            found.push((at, TICKET.what, ticket));
        }
    }
}

/// Whether a password was drawn by chance: nobody writes such a one as an example.
fn drawn(password: &str) -> bool {
    password.len() >= 12
        && varied(password.as_bytes())
        && password.bytes().any(|b| b.is_ascii_uppercase())
        && password.bytes().any(|b| b.is_ascii_lowercase())
        && password.bytes().any(|b| b.is_ascii_digit())
}

fn varied_word(word: &str) -> bool {
    let digits = word.bytes().any(|b| b.is_ascii_digit());
    let letters = word.bytes().any(|b| b.is_ascii_alphabetic());
    digits && letters
}

/// What variables that hold a secret are called.
const TELLING: [&str; 3] = ["aws_secret_access_key", "secret_access_key", "wandb_api_key"];

/// Whether any of these names is in the text, in letters of either case. Looks only around lines below the letters, as
/// most texts have few of those.
fn has_a_telling_name(text: &[u8]) -> bool {
    let stands = |at: usize, (before, after): (&str, &str)| {
        let is = |part: Option<&[u8]>, name: &str| part.is_some_and(|part| part.eq_ignore_ascii_case(name.as_bytes()));
        is(at.checked_sub(before.len()).and_then(|from| text.get(from..at)), before)
            && is(text.get(at..at + after.len()), after)
    };
    memchr::memchr_iter(b'_', text).any(|at| stands(at, ("secret", "_access_key")) || stands(at, ("wandb", "_api_key")))
}

/// Files whose form says where the secret is, and variables whose name does.
fn named<'a>(source: &Source, text: &'a str, found: &mut Vec<(usize, &'static str, &'a str)>) {
    let name = source.file_name();
    let login_file =
        matches!(name, ".npmrc" | ".pypirc" | ".netrc" | "_netrc" | ".git-credentials" | "credentials" | ".pgpass");
    if !login_file && !has_a_telling_name(text.as_bytes()) {
        return;
    }
    let mut at = 0;
    for line in text.split_inclusive('\n') {
        let start = at;
        at += line.len();
        if line.len() > 1000 {
            continue;
        }
        let lower = line.to_ascii_lowercase();
        let keys: &[&str] =
            if login_file { &["_authtoken=", "_password=", "password", "aws_secret_access_key"] } else { &TELLING };
        for key in keys {
            let Some(place) = lower.find(key) else { continue };
            let rest = line.get(place + key.len()..).unwrap_or_default();
            let value = rest.trim_start_matches(|c: char| c.is_whitespace() || "=:\"'".contains(c));
            let skipped = rest.len() - value.len();
            let length = value.find(|c: char| c.is_whitespace() || "\"',;)}".contains(c)).unwrap_or(value.len());
            let Some(value) = value.get(..length) else { continue };
            let shaped = login_file && value.len() >= 8
                || key.contains("secret")
                    && value.len() == 40
                    && value.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'/' | b'+'))
                || key.contains("wandb") && value.len() == 40 && value.bytes().all(hex);
            if skipped > 0
                && shaped
                && !is_placeholder(value)
                && (login_file || varied(value.as_bytes()))
                && !value.starts_with(['$', '<', '{'])
            {
                found.push((start + place + key.len() + skipped, "A secret", value));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_telling_name_is_seen_in_any_case() {
        for name in TELLING {
            for text in [name.to_owned(), format!("x_y = 1\nexport {}=1", name.to_uppercase())] {
                assert!(has_a_telling_name(text.as_bytes()), "{text}");
            }
        }
        for text in ["", "_", "secret_", "secret_access_ke", "ecret_access_key", "_access_key", "wandb_key"] {
            assert!(!has_a_telling_name(text.as_bytes()), "{text}");
        }
    }
}
