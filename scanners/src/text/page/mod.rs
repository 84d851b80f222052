//! Pages: HTML, SVG and Markdown. What would act when somebody looks at them: scripts, handlers, frames, addresses that run.
//!
//! Plain markup, as model cards have it, is silent. Nothing is rendered and no address is followed.

mod tag;
#[cfg(test)]
mod tests;
mod written;

use self::{tag::Tag, written::runs};
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
    let mut found = within(text, markup);
    // What is a page in an encoding that browsers once guessed.
    if let Some(read) = written::utf7(text) {
        found.extend(within(&read, markup).into_iter().map(|(_, message)| (0, message)));
    }
    found
}

/// The same, with the pages in its frames.
fn within(text: &str, markup: Markup) -> Vec<(usize, String)> {
    /// Pages in frames of pages in frames: deeper than this nobody writes them.
    const MOST_DEEP: u32 = 4;
    let mut found = Vec::new();
    let mut todo = vec![(text.to_owned(), markup, 0, 0)];
    while let Some((text, markup, at, depth)) = todo.pop() {
        let mut acts = Vec::new();
        let frames = tags(&text, markup, &mut acts);
        if depth == 0 {
            found.append(&mut acts);
        } else if !acts.is_empty() {
            found.push((at, "A frame holds a page that acts.".to_owned()));
        }
        if depth == MOST_DEEP && !frames.is_empty() {
            found.push((at, "A frame holds pages in pages, deeper than they are followed.".to_owned()));
            continue;
        }
        todo.extend(
            frames
                .into_iter()
                .take(100)
                .map(|(place, page)| (page, Markup::Still, if depth == 0 { place } else { at }, depth + 1)),
        );
    }
    found.sort_by_key(|(at, _)| *at);
    found.dedup();
    found
}

/// The tags of one page, and the pages that its frames hold.
fn tags(text: &str, markup: Markup, found: &mut Vec<(usize, String)>) -> Vec<(usize, String)> {
    let mut frames = Vec::new();
    let mut at = 0;
    // What tags that never end may cost together.
    let mut patience = text.len().saturating_mul(16) + (1 << 16);
    let mut script_ends = true;
    while let Some(next) = text.get(at..).and_then(|rest| rest.find('<')) {
        let start = at + next;
        let rest = text.get(start..).unwrap_or_default();
        if let Some(comment) = rest.strip_prefix("<!--") {
            let end = comment.find("-->").unwrap_or(comment.len());
            orders(comment.get(..end).unwrap_or_default(), start, found);
            // Where browsers end a comment early, what follows is markup again.
            at = start + if comment.starts_with('>') || comment.starts_with("->") { 4 } else { 4 + end };
            continue;
        }
        if markup == Markup::Still && runs(rest.get(1..).unwrap_or_default()) == Some("a script") {
            found.push((start, "A link runs a script when it is followed.".to_owned()));
        }
        let Some((tag, length)) = Tag::read(rest) else {
            at = start + 1;
            // A bracket that begins no tag costs nothing.
            if rest.as_bytes().get(1).is_some_and(u8::is_ascii_alphabetic) {
                let Some(left) = patience.checked_sub(rest.len()) else {
                    found.push((start, "The page's tags never end, so that nobody can say what it does.".to_owned()));
                    break;
                };
                patience = left;
            }
            continue;
        };
        at = start + length;
        let mut body = "";
        if tag.name == "script" && script_ends {
            let inner = text.get(at..).unwrap_or_default();
            let end = script_end(inner);
            script_ends = end.is_some();
            body = inner.get(..end.unwrap_or(inner.len())).unwrap_or_default();
            // What stands in a script is no markup, unless the tag closes itself.
            if !rest.get(..length).unwrap_or_default().ends_with("/>") && end.is_some() {
                at += body.len();
            }
        }
        frames.extend(tag.page().map(|page| (start, page)));
        tag.judge(body, markup, start, found);
        if found.len() > 100 {
            break;
        }
    }
    if markup == Markup::Still {
        links(text, found);
    }
    frames
}

/// Where `</script` begins.
fn script_end(text: &str) -> Option<usize> {
    memchr::memchr_iter(b'<', text.as_bytes())
        .find(|at| text.as_bytes().get(*at..at + 8).is_some_and(|end| end.eq_ignore_ascii_case(b"</script")))
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

/// `[text](javascript:…)`, `[name]: javascript:…`
fn links(text: &str, found: &mut Vec<(usize, String)>) {
    for (at, open) in text.match_indices("](").chain(text.match_indices("]:")) {
        let target = text.get(at + open.len()..).unwrap_or_default();
        let target: String = target.chars().take_while(|c| *c != ')' && *c != '\n').take(300).collect();
        if let Some(kind) = runs(target.trim_start_matches([' ', '<'])) {
            found.push((at, format!("A link runs {kind} when it is followed.")));
        }
    }
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
