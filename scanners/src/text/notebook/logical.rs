//! Where a logical line of Python ends: over strings, brackets, comments and lines that are carried on. Nothing is parsed.

/// One logical line of a cell.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Logical {
    /// One past its last byte, the end of line included.
    pub(super) end: usize,
    /// Its last letter of code is a question mark, by which a notebook asks for help.
    pub(super) asks: bool,
    /// The byte behind its first `=` outside of brackets, where a `!` or `%` follows it.
    pub(super) escape: Option<usize>,
}

/// What the text is at a byte.
#[derive(Clone, Copy)]
enum Frame {
    /// Code, within so many brackets. The lowest frame is the cell; the others stand in the braces of an f-string.
    Code(usize),
    Text(Quote),
    /// What follows the colon in an f-string's braces.
    Format(Quote),
}

#[derive(Clone, Copy)]
struct Quote {
    letter: u8,
    triple: bool,
    /// Braces in it hold code.
    filled: bool,
}

/// The logical line that begins at `from`.
#[expect(clippy::too_many_lines, reason = "one arm for each kind of letter")]
pub(super) fn line(text: &str, from: usize) -> Logical {
    let bytes = text.as_bytes();
    let byte = |at: usize| bytes.get(at).copied().unwrap_or(0);
    let mut frames = vec![Frame::Code(0)];
    let (mut at, mut assigned) = (from, false);
    let mut logical = Logical::default();
    while at < bytes.len() {
        let lowest = frames.len() == 1;
        match frames.last().copied().unwrap_or(Frame::Code(0)) {
            Frame::Code(depth) => match byte(at) {
                b'\n' if lowest && depth == 0 => {
                    at += 1;
                    break;
                }
                b'#' => {
                    at = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()).map_or(bytes.len(), |end| at + end);
                    continue;
                }
                b'\\' => {
                    at += 2;
                    continue;
                }
                letter @ (b'"' | b'\'') => {
                    let triple = byte(at + 1) == letter && byte(at + 2) == letter;
                    frames.push(Frame::Text(Quote { letter, triple, filled: filled(bytes, at) }));
                    logical.asks = false;
                    at += if triple { 3 } else { 1 };
                    continue;
                }
                b'(' | b'[' | b'{' => set(&mut frames, depth + 1),
                b'}' if !lowest && depth == 0 => {
                    frames.pop();
                }
                b')' | b']' | b'}' => set(&mut frames, depth.saturating_sub(1)),
                b':' if !lowest && depth == 0 => {
                    if let Some(Frame::Text(quote)) = frames.iter().rev().nth(1).copied() {
                        frames.push(Frame::Format(quote));
                    }
                }
                b'=' if lowest && depth == 0 && !assigned && is_assignment(bytes, at) => {
                    assigned = true;
                    let rest = bytes.get(at + 1..).unwrap_or_default();
                    let next = rest.iter().position(|b| !matches!(b, b' ' | b'\t')).unwrap_or(0);
                    if matches!(rest.get(next), Some(b'!' | b'%')) {
                        logical.escape = Some(at + 1 + next);
                        logical.end = carried_on(text, at);
                        return logical;
                    }
                }
                _ => {}
            },
            Frame::Text(quote) => {
                if let Some(length) = closes(bytes, at, quote) {
                    frames.pop();
                    at += length;
                    continue;
                }
                match byte(at) {
                    b'\\' if quote.filled && matches!(byte(at + 1), b'{' | b'}') => {}
                    b'\\' => at += 1,
                    b'{' if quote.filled && byte(at + 1) == b'{' => at += 1,
                    b'{' if quote.filled => frames.push(Frame::Code(0)),
                    // It should have ended on its line: from here on nobody agrees, and the parser will say so.
                    b'\n' if !quote.triple => {
                        frames.truncate(1);
                        continue;
                    }
                    _ => {}
                }
            }
            Frame::Format(quote) => {
                if closes(bytes, at, quote).is_some() || byte(at) == b'}' {
                    // The format ends, and with it the braces it stands in.
                    frames.pop();
                    if byte(at) == b'}' {
                        frames.pop();
                    } else {
                        frames.pop();
                        continue;
                    }
                } else if byte(at) == b'{' {
                    frames.push(Frame::Code(0));
                } else if byte(at) == b'\n' && !quote.triple {
                    frames.truncate(1);
                    continue;
                }
            }
        }
        if !byte(at).is_ascii_whitespace() {
            logical.asks = byte(at) == b'?' && frames.len() == 1;
        }
        at += 1;
    }
    logical.end = at.min(bytes.len());
    while !text.is_char_boundary(logical.end) {
        logical.end += 1;
    }
    logical
}

/// The end of the physical line at `from`, and of those that a backslash at its end carries on.
pub(super) fn carried_on(text: &str, from: usize) -> usize {
    let bytes = text.as_bytes();
    let mut at = from;
    loop {
        let Some(end) = memchr::memchr(b'\n', bytes.get(at..).unwrap_or_default()) else { return text.len() };
        at += end + 1;
        if bytes.get(..at - 1).is_none_or(|before| !before.ends_with(b"\\")) {
            return at;
        }
    }
}

fn set(frames: &mut [Frame], depth: usize) {
    if let Some(frame) = frames.last_mut() {
        *frame = Frame::Code(depth);
    }
}

/// Whether the letters before a quote make its braces hold code: `f"…"`, `rf"…"`.
fn filled(bytes: &[u8], at: usize) -> bool {
    let before = bytes.get(..at).unwrap_or_default();
    let letters = before.iter().rev().take(4).take_while(|b| b.is_ascii_alphanumeric() || **b == b'_').count();
    let prefix = before.get(at - letters..).unwrap_or_default().to_ascii_lowercase();
    letters <= 2 && prefix.iter().all(|b| b"rbfut".contains(b)) && prefix.iter().any(|b| b"ft".contains(b))
}

/// How many bytes the closing quote has, if it stands here.
fn closes(bytes: &[u8], at: usize, quote: Quote) -> Option<usize> {
    let length = if quote.triple { 3 } else { 1 };
    bytes.get(at..at + length).is_some_and(|here| here.iter().all(|b| *b == quote.letter)).then_some(length)
}

/// `==`, `<=`, `:=` and their like assign nothing that a command's output could be put into.
fn is_assignment(bytes: &[u8], at: usize) -> bool {
    let before = at.checked_sub(1).and_then(|at| bytes.get(at)).copied().unwrap_or(b' ');
    bytes.get(at + 1) != Some(&b'=') && !b"=<>!:+-*/%&|^@~".contains(&before)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(text: &str) -> Vec<&str> {
        let (mut at, mut out) = (0, Vec::new());
        while at < text.len() {
            let end = line(text, at).end;
            out.push(text.get(at..end).unwrap_or_default());
            at = end;
        }
        out
    }

    #[test]
    fn strings_and_brackets_carry_a_line_on() {
        for (text, count) in [
            ("a\nb\n", 2),
            ("a = '''\n!x\n'''\nb", 2),
            ("a = (1,\n!x\n)\nb", 2),
            ("a = 1 + \\\n!x\nb", 2),
            ("# '''\n!x\n", 2),
            ("a = '\n!x\n", 2),
            ("a = f'''{\"'''\"}\n!x'''\nb", 2),
            ("a = f'{x!r:>{w}}' # {\nb", 2),
            ("a = f'{{'\nb", 2),
            ("a = rb'\\''\nb", 2),
            ("a = f'''{x:\n%y}\n'''\nb", 2),
        ] {
            assert_eq!(lines(text).len(), count, "{text}: {:?}", lines(text));
        }
    }

    #[test]
    fn commands_and_questions_are_seen() {
        assert_eq!(line("x = !ls", 0).escape, Some(4));
        assert_eq!(line("x=%time 1", 0).escape, Some(2));
        assert_eq!(line("x == !ls", 0).escape, None);
        assert_eq!(line("f(x = !ls)", 0).escape, None);
        assert!(line("x.y??\n", 0).asks && !line("x = '?'\n", 0).asks && !line("x # ?\n", 0).asks);
    }
}
