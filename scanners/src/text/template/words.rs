//! Telling instructions in a human language from the marks of a chat format.

/// What content parts are called: a test for one of these asks for the kind of a part, not for words somebody said.
const PARTS: &[&str] = &[
    "text",
    "image",
    "images",
    "video",
    "videos",
    "audio",
    "audios",
    "image_url",
    "video_url",
    "audio_url",
    "input_audio",
    "input_image",
    "input_text",
    "output_text",
    "file",
    "files",
    "document",
    "documents",
    "tool",
    "tools",
    "tool_calls",
    "tool_call",
    "tool_use",
    "tool_result",
    "tool_response",
    "tool_responses",
    "function",
    "functions",
    "thinking",
    "thought",
    "reasoning",
    "reasoning_content",
    "refusal",
    "json",
    "content",
    "role",
    "type",
    "name",
    "user",
    "assistant",
    "system",
    "developer",
    "model",
    "point",
    "points",
    "box",
    "output",
    "result",
    "think",
    "call",
    "response",
];

/// The text without `<…>`, `[…]` and `{…}` that hold no space, and without markers like `###`.
fn without_marks(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(c) = rest.chars().next() {
        let close = match c {
            '<' => Some('>'),
            '[' => Some(']'),
            '{' => Some('}'),
            _ => None,
        };
        // A mark is short; the text is not searched further than one goes.
        let end = close.and_then(|close| {
            let mut ahead = rest.char_indices().take(60);
            ahead.find(|(_, c)| *c == close || c.is_whitespace()).filter(|(_, c)| *c == close).map(|(end, _)| end)
        });
        out.push(if end.is_some() { ' ' } else { c });
        let step = end.map_or(c.len_utf8(), |end| end + 1);
        rest = rest.get(step..).unwrap_or_default();
    }
    out
}

/// How many words of a human language there are. Scripts without spaces count two characters as a word.
fn words(text: &str) -> usize {
    let dense = text.chars().filter(|c| matches!(*c, '\u{3040}'..='\u{30ff}' | '\u{3400}'..='\u{9fff}' | '\u{ac00}'..='\u{d7af}' | '\u{0e00}'..='\u{0e7f}')).count() / 2;
    let spaced = text
        .split(|c: char| !c.is_alphanumeric() && c != '\'' && c != '_')
        .filter(|word| word.chars().filter(|c| c.is_alphabetic()).count() >= 2 && word.chars().all(|c| c < '\u{0e00}'))
        .count();
    dense + spaced
}

/// Whether somebody could say this in a conversation: not a mark like `<think>`, not a command like `/no_think`, not the
/// kind of a content part.
pub(crate) fn could_be_said(text: &str) -> bool {
    let text = text.trim();
    if sets_mode(text) {
        return false;
    }
    let bare = without_marks(text);
    let bare = bare.trim_matches(|c: char| !c.is_alphanumeric());
    if PARTS.contains(&bare.to_ascii_lowercase().as_str()) {
        return false;
    }
    let letters = bare.chars().filter(|c| c.is_alphabetic()).count();
    letters >= 3 || bare.chars().filter(|c| c.is_alphabetic() && *c > '\u{2fff}').count() >= 2
}

/// Whether this only switches a mode of answering that models have: `/no_think`, `detailed thinking on`, `reasoning: high`.
fn sets_mode(text: &str) -> bool {
    const CORE: &[&str] = &["think", "thinking", "nothink", "reasoning", "reason", "reflection", "override"];
    const BESIDE: &[&str] = &[
        "no", "not", "on", "off", "detailed", "deep", "effort", "high", "medium", "low", "minimal", "mode", "enable",
        "enabled", "disable", "disabled", "budget", "system", "auto", "none", "true", "false", "quick", "fast", "slow",
    ];
    let lower = text.to_lowercase();
    let words = || lower.split(|c: char| !c.is_alphabetic()).filter(|word| !word.is_empty());
    words().any(|word| CORE.contains(&word)) && words().all(|word| CORE.contains(&word) || BESIDE.contains(&word))
}

/// Whether this would tell a model or a reader something: several words, or an address.
pub(crate) fn instructs(text: &str) -> bool {
    let lower = text.to_ascii_lowercase();
    if lower.contains("://") || lower.contains("www.") {
        return true;
    }
    words(&without_marks(text)) >= 4
}

/// Whether a text gives a model orders that whoever talks to it would want to know: to hide something, to send somebody
/// somewhere, or to do a thing always.
pub(crate) fn orders(text: &str) -> bool {
    const SIGNS: [&str; 14] = [
        "ignore all",
        "ignore any",
        "ignore previous",
        "ignore the",
        "disregard",
        "always ",
        "never ",
        "secretly",
        "do not tell",
        "don't tell",
        "do not mention",
        "without telling",
        "recommend",
        "://",
    ];
    let lower = text.to_lowercase();
    words(&without_marks(text)) >= 5 && SIGNS.iter().any(|sign| lower.contains(sign))
}

/// What [`instructs`] says, of a text that is written piece by piece, where names and marks stand side by side anyway.
pub(crate) fn instructs_in_pieces(text: &str) -> bool {
    words(&without_marks(text)) >= 5
}

/// Whether a text is words of a language and nothing else: `unsafe`, `example.com`, not `<image>` and not `True`.
pub(crate) fn is_word(text: &str) -> bool {
    let plain = text.chars().all(|c| c.is_alphanumeric() || matches!(c, ' ' | '.' | '-' | '\'' | '/' | ':'));
    let literal = ["true", "false", "none", "null"].contains(&text.trim().to_ascii_lowercase().as_str());
    plain && !literal && could_be_said(text)
}

/// The address with which a text ends, where what follows goes on with it: `…![x](http://host/?q=`.
pub(crate) fn open_address(text: &str) -> Option<&str> {
    let last = text.rsplit(|c: char| c.is_whitespace() || matches!(c, '(' | '"' | '\'' | '<' | '[')).next()?;
    let host = last.split_once("://")?.1;
    let open = last.contains(['?', '=']) || last.ends_with('/');
    (!host.is_empty() && open && !last.contains([')', '>', ']'])).then_some(last)
}
