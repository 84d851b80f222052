//! Pages: HTML, SVG and Markdown. What would act when somebody looks at them: scripts, handlers, frames, addresses that run.
//!
//! Plain markup, as model cards have it, is silent. Nothing is rendered and no address is followed.

use crate::{
    rules,
    scan::{Scan, Scanned},
    source::Source,
    text::shell::{host_of, shortened},
};

/// What a text is written in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Markup {
    /// A whole page, which may have scripts of its own.
    Page,
    /// A picture or a card: nothing in it has to act.
    Still,
}

/// Hosts from which pages ordinarily take scripts and frames.
#[rustfmt::skip]
const KNOWN: &[&str] = &[
    "huggingface.co", "hf.co", "hf.space", "jsdelivr.net", "cloudflare.com", "unpkg.com", "plot.ly", "bokeh.org", "googleapis.com",
    "gstatic.com", "google.com", "googletagmanager.com", "mathjax.org", "jquery.com", "bootstrapcdn.com", "youtube.com", "youtube-nocookie.com",
    "vimeo.com", "github.io", "github.com", "gradio.app", "gradio.s3-us-west-2.amazonaws.com", "colab.research.google.com", "fontawesome.com",
    "tailwindcss.com", "d3js.org", "polyfill.io", "vega.github.io", "wandb.ai", "readthedocs.io", "bilibili.com", "w3.org", "esm.sh",
];
/// What scripts of ordinary pages have no need of.
#[rustfmt::skip]
const REACHING: &[&str] = &[
    "document.cookie", "kernel.execute", "jupyter.notebook", "/api/terminals", "/api/contents", "sendbeacon", "eval(atob", "eval(unescape",
    "eval(string.fromcharcode", "document.write(unescape", "document.write(atob", "new function(atob", "localstorage.getitem('token", "localstorage.getitem(\"token",
    "authorization", "_xsrf",
];
/// Sentences that are meant for programs that read pages on somebody's behalf.
#[rustfmt::skip]
const ORDERS: &[&str] = &[
    "ignore all previous instructions", "ignore previous instructions", "ignore the previous instructions", "disregard all previous",
    "disregard previous instructions", "ignore your instructions", "you are an ai agent", "ai agents must", "ai assistants must", "if you are an ai",
    "if you are a language model", "do not tell the user", "don't tell the user", "without telling the user",
];

/// Inspects HTML or SVG.
pub(crate) fn html(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    let still = source.file_name().to_ascii_lowercase().ends_with(".svg") || text.trim_start().starts_with("<svg");
    report(scan, source, text, if still { Markup::Still } else { Markup::Page })
}

/// Inspects Markdown. What stands in code blocks is shown, not used.
pub(crate) fn markdown(scan: &mut Scan<'_>, source: &Source, text: &str) -> Scanned<()> {
    licence(scan, source, text);
    report(scan, source, &without_code(text), Markup::Still)
}

fn report(scan: &mut Scan<'_>, source: &Source, text: &str, markup: Markup) -> Scanned<()> {
    scan.steps(text.len() as u64 / 8)?;
    for (at, message) in active(text, markup).into_iter().take(20) {
        scan.found(&rules::PAGE_ACTIVE, source, at as u64, message);
    }
    Ok(())
}

/// What the head of a model card says of its licence: none, or more than one.
fn licence(scan: &mut Scan<'_>, source: &Source, text: &str) {
    let head = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"));
    let Some(head) = head.and_then(|rest| rest.split_once("\n---")).map(|(head, _)| head) else { return };
    if !source.file_name().eq_ignore_ascii_case("readme.md") {
        return;
    }
    let mut named: Vec<&str> = Vec::new();
    let lines = || head.lines().take(2000);
    for line in lines() {
        if let Some(name) = line.strip_prefix("license:").map(|rest| rest.trim().trim_matches(['"', '\''])) {
            named.push(name);
        }
    }
    match named[..] {
        [] => scan.found(&rules::LICENCE_CONFLICT, source, 0, "The model card names no licence."),
        [first, .., last] if first != last => {
            let message =
                format!("The model card names two licences: `{}` and `{}`.", shortened(first), shortened(last));
            scan.found(&rules::LICENCE_CONFLICT, source, 0, message);
        }
        _ => {}
    }
}

/// The text with blanks in place of code: fenced blocks and what stands between backticks.
pub(crate) fn without_code(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut fence: Option<&str> = None;
    let blank = |line: &str| {
        line.chars().map(|c| if c == '\n' { "\n".to_owned() } else { " ".repeat(c.len_utf8()) }).collect::<String>()
    };
    for line in text.split_inclusive('\n') {
        let start = line.trim_start_matches([' ', '>', '\t']);
        let opens = ["```", "~~~"].into_iter().find(|mark| start.starts_with(mark));
        match (fence, opens) {
            (None, Some(mark)) => {
                fence = Some(mark);
                out.push_str(&blank(line));
            }
            (Some(open), Some(mark)) if open == mark && start.trim_end().chars().all(|c| mark.starts_with(c)) => {
                fence = None;
                out.push_str(&blank(line));
            }
            (Some(_), _) => out.push_str(&blank(line)),
            (None, None) => {
                let mut within = false;
                let pairs = line.matches('`').count() / 2 * 2;
                let mut ticks = 0;
                for c in line.chars() {
                    if c == '`' && ticks < pairs {
                        within = !within;
                        ticks += 1;
                    }
                    if within { out.push_str(&" ".repeat(c.len_utf8())) } else { out.push(c) }
                }
            }
        }
    }
    out
}

/// Everything in the markup that would act, each with its place.
pub(crate) fn active(text: &str, markup: Markup) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut at = 0;
    while let Some(next) = text.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + next;
        let rest = text.get(start..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("-->").unwrap_or(comment.len());
            orders(comment.get(..end).unwrap_or_default(), start, &mut found);
            // Where browsers end a comment early, what follows is markup again.
            at = start + if comment.starts_with('>') || comment.starts_with("->") { 4 } else { 4 + end };
            continue;
        }
        let Some((tag, length)) = Tag::read(rest) else {
            at = start + 1;
            continue;
        };
        at = start + length;
        let inner = text.get(at..).unwrap_or_default();
        tag.judge(inner, markup, start, &mut found);
        if found.len() > 100 {
            break;
        }
    }
    if markup == Markup::Still {
        links(text, &mut found);
    }
    found
}

/// The sentences in it that give orders to programs that read it.
pub(crate) fn ordered(text: &str) -> impl Iterator<Item = &'static str> {
    let lower = text.to_lowercase();
    ORDERS.iter().copied().filter(move |order| lower.contains(order))
}

fn orders(comment: &str, at: usize, found: &mut Vec<(usize, String)>) {
    if let Some(order) = ordered(comment).next() {
        found.push((
            at,
            format!("A hidden comment gives orders to programs that read it (\"{order}\"): `{}`.", shortened(comment)),
        ));
    }
}

/// `[text](javascript:…)`
fn links(text: &str, found: &mut Vec<(usize, String)>) {
    for (at, _) in text.match_indices("](") {
        let target = text.get(at + 2..).unwrap_or_default();
        let target: String = target.chars().take_while(|c| *c != ')' && *c != '\n').take(300).collect();
        if let Some(kind) = runs(&target) {
            found.push((at, format!("A link runs {kind} when it is followed.")));
        }
    }
}

/// Whether an address is itself something that runs.
fn runs(address: &str) -> Option<&'static str> {
    let plain: String = entities(address)
        .chars()
        .filter(|c| !c.is_whitespace() && !c.is_control())
        .take(200)
        .collect::<String>()
        .to_lowercase();
    if plain.starts_with("javascript:") || plain.starts_with("vbscript:") {
        return Some("a script");
    }
    if plain.starts_with("data:text/html")
        || plain.starts_with("data:application/xhtml")
        || plain.starts_with("data:text/javascript")
    {
        return Some("a page that is written in the address");
    }
    None
}

/// The few entities in which attackers write addresses.
fn entities(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        let end = after.find(';').unwrap_or(0);
        let name = after.get(1..end).unwrap_or_default();
        let number = name.strip_prefix("#x").or_else(|| name.strip_prefix("#X")).map_or_else(
            || name.strip_prefix('#').and_then(|digits| digits.parse().ok()),
            |digits| u32::from_str_radix(digits, 16).ok(),
        );
        let known = match name {
            "colon" => Some(':'),
            "Tab" | "NewLine" => Some(' '),
            "lpar" => Some('('),
            _ => number.and_then(char::from_u32),
        };
        if let Some(c) = known {
            out.push(c);
            rest = after.get(end + 1..).unwrap_or_default();
        } else {
            out.push('&');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

fn is_known(address: &str) -> bool {
    let address = address.trim();
    let with_scheme = if address.starts_with("//") { format!("https:{address}") } else { address.to_owned() };
    match host_of(&with_scheme.to_lowercase()) {
        Some(host) => KNOWN.iter().any(|known| host == *known || host.ends_with(&format!(".{known}"))),
        // A place beside the page.
        None => true,
    }
}

/// One opening tag.
struct Tag<'a> {
    name: String,
    attributes: Vec<(String, &'a str)>,
}

impl<'a> Tag<'a> {
    /// The tag at the start of the text, and its length.
    fn read(text: &'a str) -> Option<(Self, usize)> {
        let bytes = text.as_bytes();
        let mut at = 1;
        let name_end = bytes.iter().skip(1).position(|b| !(b.is_ascii_alphanumeric() || matches!(b, b':' | b'-')))? + 1;
        let name = text.get(at..name_end)?.to_lowercase();
        if !name.starts_with(|c: char| c.is_ascii_alphabetic()) {
            return None;
        }
        let name = name.rsplit(':').next().unwrap_or_default().to_owned();
        at = name_end;
        let mut attributes = Vec::new();
        while let Some(byte) = bytes.get(at) {
            match byte {
                b'>' => return Some((Self { name, attributes }, at + 1)),
                b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'\x0c' => at += 1,
                _ => {
                    let end = bytes
                        .iter()
                        .skip(at + 1)
                        .position(|b| matches!(b, b'=' | b'>' | b' ' | b'\t' | b'\r' | b'\n' | b'/' | b'\x0c'));
                    let end = at + 1 + end?;
                    let key = text.get(at..end).unwrap_or_default().to_lowercase();
                    at = end;
                    while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
                        at += 1;
                    }
                    let mut value = "";
                    if bytes.get(at) == Some(&b'=') {
                        at += 1;
                        while bytes.get(at).is_some_and(u8::is_ascii_whitespace) {
                            at += 1;
                        }
                        let quote = bytes.get(at).copied().filter(|b| matches!(b, b'"' | b'\''));
                        let from = if quote.is_some() { at + 1 } else { at };
                        let rest = bytes.get(from..)?;
                        let length = match quote {
                            Some(quote) => memchr::memchr(quote, rest)?,
                            None => rest.iter().position(|b| b.is_ascii_whitespace() || *b == b'>')?,
                        };
                        value = text.get(from..from + length).unwrap_or_default();
                        at = from + length + usize::from(quote.is_some());
                    }
                    attributes.push((key, value));
                    if attributes.len() > 200 {
                        return None;
                    }
                }
            }
        }
        None
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    #[expect(clippy::too_many_lines, reason = "a table of tags")]
    fn judge(&self, inner: &str, markup: Markup, at: usize, found: &mut Vec<(usize, String)>) {
        let mut say = |message: String| found.push((at, message));
        match self.name.as_str() {
            "script" => {
                let source = self.get("src").or_else(|| self.get("href")).or_else(|| self.get("xlink:href"));
                let body = inner.split("</").next().unwrap_or_default();
                let data = self.get("type").is_some_and(|kind| kind.contains("json") || kind.contains("template"));
                match source {
                    Some(source) if markup == Markup::Still || !is_known(source) => {
                        say(format!("A script is loaded from `{}`.", shortened(source)));
                    }
                    None if markup == Markup::Still && !data => {
                        say(format!("A script runs when this is shown: `{}`.", shortened(body)));
                    }
                    None => {
                        if let Some(to) = calls_out(body) {
                            say(format!("A script connects to `{to}`."));
                        }
                        if let Some(word) = reaches(body) {
                            say(format!("A script uses `{word}`, of which a page like this has no need."));
                        }
                    }
                    Some(_) => {}
                }
            }
            "iframe" | "frame" => {
                let source = self.get("src").unwrap_or_default();
                if !is_known(source) {
                    say(format!("A frame shows another page: `{}`.", shortened(source)));
                }
                if self.get("srcdoc").is_some_and(|page| !active(&entities(page), Markup::Still).is_empty()) {
                    say("A frame holds a page that acts.".to_owned());
                }
            }
            "object" | "embed" | "applet" => {
                let source =
                    self.get("data").or_else(|| self.get("src")).or_else(|| self.get("code")).unwrap_or_default();
                if self.name == "applet"
                    || !is_known(source)
                    || matches!(source.rsplit('.').next(), Some("swf" | "jar"))
                {
                    say(format!("The page embeds something that a plug-in runs: `{}`.", shortened(source)));
                }
            }
            "meta" if self.get("http-equiv").is_some_and(|kind| kind.eq_ignore_ascii_case("refresh")) => {
                let to = self.get("content").unwrap_or_default();
                let address = to.find("http").and_then(|from| to.get(from..)).unwrap_or_default();
                if !is_known(address) || runs(to.rsplit('=').next().unwrap_or_default()).is_some() {
                    say(format!("The page sends its reader elsewhere: `{}`.", shortened(to)));
                }
            }
            "form" if !is_known(self.get("action").unwrap_or_default()) => {
                say(format!("A form sends what is typed to `{}`.", shortened(self.get("action").unwrap_or_default())));
            }
            "base" if !is_known(self.get("href").unwrap_or_default()) => {
                say(format!("All links lead to `{}`.", shortened(self.get("href").unwrap_or_default())));
            }
            _ => {}
        }
        for (key, value) in &self.attributes {
            if key.len() > 3 && key.starts_with("on") && key.bytes().all(|b| b.is_ascii_alphabetic()) {
                let itself = matches!(
                    key.as_str(),
                    "onerror"
                        | "onload"
                        | "onbegin"
                        | "onfocus"
                        | "onmouseover"
                        | "ontoggle"
                        | "onpageshow"
                        | "onanimationstart"
                );
                // `onload="init()"` on the body or a frame of a page is how pages are written.
                let own = markup == Markup::Page
                    && (!itself || matches!(self.name.as_str(), "body" | "iframe" | "link" | "script"))
                    && reaches(value).is_none();
                if !own && !value.trim().is_empty() {
                    say(format!("`{key}` of <{}> runs a script: `{}`.", self.name, shortened(&entities(value))));
                }
            }
            if matches!(
                key.as_str(),
                "href" | "src" | "action" | "formaction" | "xlink:href" | "data" | "to" | "values" | "from"
            ) && let Some(kind) = runs(value)
                && !value.trim_start().to_lowercase().starts_with("javascript:void(0)")
            {
                say(format!("`{key}` of <{}> is an address that runs {kind}.", self.name));
            }
        }
    }
}

/// Whom a script calls that no ordinary page calls.
pub(crate) fn calls_out(script: &str) -> Option<String> {
    let lower = script.to_lowercase();
    if !["fetch(", "xmlhttprequest", "websocket(", "sendbeacon(", "importscripts(", ".src="]
        .iter()
        .any(|call| lower.contains(call))
    {
        return None;
    }
    let addresses = lower.match_indices("://").filter_map(|(at, _)| {
        let scheme = ["https", "http", "wss", "ws"]
            .iter()
            .find(|scheme| lower.get(..at).is_some_and(|before| before.ends_with(*scheme)))?;
        let rest = lower.get(at - scheme.len()..)?;
        rest.get(..rest.find(['\'', '"', '`', ' ', '\n', ')']).unwrap_or(rest.len()))
    });
    addresses.filter(|address| !is_known(address)).find_map(host_of).map(shortened)
}

/// The first word in a script that reaches for more than its page.
pub(crate) fn reaches(script: &str) -> Option<&'static str> {
    let lower: String = script.chars().filter(|c| !c.is_whitespace()).collect::<String>().to_lowercase();
    REACHING.iter().find(|word| lower.contains(*word)).copied()
}
