//! Tags of pages: what each does when it is shown. Nothing is rendered and no address is followed.

use super::{
    Markup, calls_out, is_known, reaches,
    written::{self, runs},
};
use crate::text::shell::shortened;

/// Handlers that run without anybody doing anything.
#[rustfmt::skip]
const BY_THEMSELVES: &[&str] = &[
    "onerror", "onload", "onbegin", "onend", "onrepeat", "onfocus", "onfocusin", "onblur", "onmouseover", "onmouseenter", "onpointerover", "onpointerenter",
    "onpointerrawupdate", "ontoggle", "onbeforetoggle", "onpageshow", "onanimationstart", "onanimationend", "onanimationiteration",
    "onwebkitanimationstart", "onwebkitanimationend", "ontransitionend", "ontransitionrun", "ontransitionstart", "onloadstart", "onloadend",
    "onloadeddata", "onloadedmetadata", "oncanplay", "oncanplaythrough", "ondurationchange", "onplay", "onplaying", "onprogress",
    "ontimeupdate", "onsuspend", "onfinish", "onstart", "onbounce", "onscroll", "onscrollend", "onresize", "onhashchange", "onpopstate",
    "onreadystatechange", "oncontentvisibilityautostatechange", "onsecuritypolicyviolation", "onslotchange",
];

/// One opening tag.
pub(super) struct Tag<'a> {
    pub(super) name: String,
    attributes: Vec<(String, &'a str)>,
}

impl<'a> Tag<'a> {
    /// The tag at the start of the text, and its length.
    pub(super) fn read(text: &'a str) -> Option<(Self, usize)> {
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
                }
            }
        }
        None
    }

    fn get(&self, name: &str) -> Option<&'a str> {
        self.attributes.iter().find(|(key, _)| key == name).map(|(_, value)| *value)
    }

    /// The page that a frame holds.
    pub(super) fn page(&self) -> Option<String> {
        let holds = matches!(self.name.as_str(), "iframe" | "frame");
        self.get("srcdoc").filter(|_| holds).map(written::entities)
    }

    /// What it does when it is shown. `body` is what a script holds.
    #[expect(clippy::too_many_lines, reason = "a table of tags")]
    pub(super) fn judge(&self, body: &str, markup: Markup, at: usize, found: &mut Vec<(usize, String)>) {
        let mut say = |message: String| found.push((at, message));
        match self.name.as_str() {
            "script" => {
                let source = self.get("src").or_else(|| self.get("href")).or_else(|| self.get("xlink:href"));
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
                if !is_known(&written::entities(source)) {
                    say(format!("A frame shows another page: `{}`.", shortened(source)));
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
                let lower = to.to_lowercase();
                let from = lower.find("url").and_then(|at| lower.get(at..)).and_then(|rest| rest.split_once('='));
                let address = from.map_or("", |(_, address)| address.trim().trim_matches(['"', '\'']));
                if !is_known(&written::entities(address)) || runs(address).is_some() {
                    say(format!("The page sends its reader elsewhere: `{}`.", shortened(to)));
                }
            }
            "form" if !is_known(&written::entities(self.get("action").unwrap_or_default())) => {
                say(format!("A form sends what is typed to `{}`.", shortened(self.get("action").unwrap_or_default())));
            }
            "base" if !is_known(&written::entities(self.get("href").unwrap_or_default())) => {
                say(format!("All links lead to `{}`.", shortened(self.get("href").unwrap_or_default())));
            }
            _ => {}
        }
        for (key, value) in &self.attributes {
            if key.len() > 3 && key.starts_with("on") && key.bytes().all(|b| b.is_ascii_alphabetic()) {
                let itself = BY_THEMSELVES.contains(&key.as_str());
                // `onload="init()"` on the body or a frame of a page is how pages are written.
                let own = markup == Markup::Page
                    && (!itself || matches!(self.name.as_str(), "body" | "iframe" | "link" | "script"))
                    && reaches(value).is_none()
                    && calls_out(&written::entities(value)).is_none();
                if !own && !value.trim().is_empty() && !written::only_hides(&written::entities(value)) {
                    say(format!(
                        "`{key}` of <{}> runs a script: `{}`.",
                        self.name,
                        shortened(&written::entities(value))
                    ));
                }
            }
            if matches!(
                key.as_str(),
                "href"
                    | "src"
                    | "action"
                    | "formaction"
                    | "xlink:href"
                    | "data"
                    | "to"
                    | "values"
                    | "from"
                    | "by"
                    | "background"
                    | "poster"
                    | "code"
                    | "codebase"
            ) {
                let each = value.split(if key == "values" { ';' } else { '\0' });
                for kind in each
                    .filter(|value| !value.trim_start().to_lowercase().starts_with("javascript:void(0)"))
                    .filter_map(runs)
                {
                    say(format!("`{key}` of <{}> is an address that runs {kind}.", self.name));
                }
                // A picture that is shown runs nothing; a part of the page that is taken from one, or a frame, can.
                let taken = matches!(
                    self.name.as_str(),
                    "use" | "iframe" | "frame" | "object" | "embed" | "script" | "animate" | "set"
                );
                if taken && written::plain(value).starts_with("data:image/svg+xml") {
                    say(format!(
                        "`{key}` of <{}> is a drawing that is written in the address and can run scripts.",
                        self.name
                    ));
                }
            }
            if key == "formaction" && !is_known(&written::entities(value)) {
                say(format!("A button sends what is typed to `{}`.", shortened(value)));
            }
        }
    }
}
