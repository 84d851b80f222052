//! How pickles spell texts and numbers: escapes, quotes, lines. Never fails on a text; what cannot be decoded is replaced.

use super::arena::Form;

/// An integer that was written as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Integer {
    Small(i64),
    /// More than eight bytes.
    Large,
}

/// The text that a loader would make of a piece of the file.
pub(crate) fn text(form: Form, bytes: &[u8]) -> String {
    match form {
        Form::Utf8 | Form::Bytes | Form::Long => String::from_utf8_lossy(bytes).into_owned(),
        Form::Short => match std::str::from_utf8(bytes) {
            Ok(text) => text.to_owned(),
            Err(_) => bytes.iter().map(|byte| char::from(*byte)).collect(),
        },
        Form::Escaped => escaped(bytes),
        Form::Quoted => quoted(bytes),
    }
}

/// raw-unicode-escape: only `\u` and `\U` mean something.
fn escaped(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        let digits = match (byte, after.first()) {
            (b'\\', Some(b'u')) => 4,
            (b'\\', Some(b'U')) => 8,
            (b'\\', Some(b'\\')) => {
                // Two backslashes stay two, and the second begins no escape.
                out.push_str("\\\\");
                rest = after.get(1..).unwrap_or_default();
                continue;
            }
            _ => {
                out.push(char::from(*byte));
                continue;
            }
        };
        match after.get(1..=digits).and_then(|hex| number(hex, 16)) {
            Some(code) => {
                out.push(char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER));
                rest = after.get(digits + 1..).unwrap_or_default();
            }
            None => out.push('\\'),
        }
    }
    out
}

/// The inside of a quoted string of Python 2.
fn quoted(bytes: &[u8]) -> String {
    let mut out: Vec<u8> = Vec::with_capacity(bytes.len());
    let mut rest = bytes;
    while let Some((byte, after)) = rest.split_first() {
        rest = after;
        if *byte != b'\\' {
            out.push(*byte);
            continue;
        }
        let Some((kind, after)) = rest.split_first() else { break };
        rest = after;
        match kind {
            b'\n' => {}
            b'a' => out.push(7),
            b'b' => out.push(8),
            b't' => out.push(b'\t'),
            b'n' => out.push(b'\n'),
            b'v' => out.push(11),
            b'f' => out.push(12),
            b'r' => out.push(b'\r'),
            b'x' => match rest.get(..2).and_then(|hex| number(hex, 16)) {
                Some(code) => {
                    out.push(u8::try_from(code).unwrap_or(b'?'));
                    rest = rest.get(2..).unwrap_or_default();
                }
                None => out.extend_from_slice(b"\\x"),
            },
            b'0'..=b'7' => {
                let more = rest.iter().take(2).take_while(|digit| (b'0'..=b'7').contains(digit)).count();
                let mut code = u32::from(kind - b'0');
                for digit in rest.iter().take(more) {
                    code = code * 8 + u32::from(digit - b'0');
                }
                out.push(u8::try_from(code & 0xff).unwrap_or(b'?'));
                rest = rest.get(more..).unwrap_or_default();
            }
            b'\\' | b'\'' | b'"' => out.push(*kind),
            other => out.extend_from_slice(&[b'\\', *other]),
        }
    }
    text(Form::Short, &out)
}

fn number(digits: &[u8], base: u32) -> Option<u32> {
    let text = std::str::from_utf8(digits).ok()?;
    if text.bytes().all(|digit| digit.is_ascii_hexdigit()) { u32::from_str_radix(text, base).ok() } else { None }
}

/// An integer as a line spells it.
pub(crate) fn integer(line: &[u8], any_base: bool) -> Option<Integer> {
    let text = std::str::from_utf8(to_nul(line)).ok()?.trim();
    // C reads no digits before a NUL as zero.
    if text.is_empty() && line.contains(&0) {
        return Some(Integer::Small(0));
    }
    let (minus, digits) = match text.strip_prefix('-') {
        Some(rest) => (true, rest),
        None => (false, text.strip_prefix('+').unwrap_or(text)),
    };
    let lower = digits.get(..2).unwrap_or_default().to_ascii_lowercase();
    let (digits, base) = match lower.as_str() {
        // One underscore may stand between the base and the digits.
        "0x" if any_base => (after_base(digits)?, 16),
        "0o" if any_base => (after_base(digits)?, 8),
        "0b" if any_base => (after_base(digits)?, 2),
        _ => (digits, 10),
    };
    if digits.is_empty() || !digits.chars().all(|c| c == '_' || c.is_digit(base)) || digits.starts_with('_') {
        return None;
    }
    let plain: String = digits.chars().filter(|c| *c != '_').collect();
    Some(match i64::from_str_radix(&plain, base) {
        Ok(number) => Integer::Small(if minus { -number } else { number }),
        Err(_) => Integer::Large,
    })
}

fn after_base(digits: &str) -> Option<&str> {
    let digits = digits.get(2..)?;
    Some(digits.strip_prefix('_').unwrap_or(digits))
}

/// CPython's unpickler in C gives the line to functions that stop at a NUL.
fn to_nul(line: &[u8]) -> &[u8] {
    memchr::memchr(0, line).and_then(|end| line.get(..end)).unwrap_or(line)
}

/// Whether the line spells a number with a point, `inf` or `nan`.
pub(crate) fn is_float(line: &[u8]) -> bool {
    std::str::from_utf8(to_nul(line)).is_ok_and(|text| text.trim().replace('_', "").parse::<f64>().is_ok())
}

/// Whether this could be a module: a file beside the pickle has whatever name its author gave it.
pub(crate) fn is_module(name: &[u8]) -> bool {
    is_dotted_name(name)
        || name.len() <= 200
            && std::str::from_utf8(name).is_ok_and(|text| {
                !text.is_empty()
                    && text.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-' | ' ' | '.' | '+' | '@'))
            })
}

/// Whether this could be a dotted Python name.
pub(crate) fn is_dotted_name(name: &[u8]) -> bool {
    let name = name.strip_suffix(b"\r").unwrap_or(name);
    let Ok(text) = std::str::from_utf8(name) else { return false };
    !text.is_empty()
        && text.split('.').all(|part| {
            part.chars().next().is_some_and(|c| c == '_' || c.is_alphabetic())
                && part.chars().all(|c| c == '_' || c.is_alphanumeric())
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn escapes_read_as_python_reads_them() {
        assert_eq!(text(Form::Escaped, b"\\u006f\\U00000073"), "os");
        assert_eq!(text(Form::Escaped, b"a\\\\u006f\\x"), "a\\\\u006f\\x");
        assert_eq!(text(Form::Quoted, b"\\x6f\\163\\n\\'\\q"), "os\n'\\q");
        assert_eq!(text(Form::Short, b"\xe9"), "é");
    }

    #[test]
    fn integers_in_lines() {
        assert_eq!(integer(b" 007 ", false), Some(Integer::Small(7)));
        assert_eq!(integer(b"-0x10", true), Some(Integer::Small(-16)));
        assert_eq!(integer(b"99999999999999999999", true), Some(Integer::Large));
        assert_eq!(integer(b"0x_10", true), Some(Integer::Small(16)));
        assert_eq!(integer(b"5\0junk", false), Some(Integer::Small(5)));
        assert_eq!(integer(b"\0", true), Some(Integer::Small(0)));
        assert!(is_float(b"1.5\0junk"));
        assert_eq!(integer(b"1 apple", true), None);
        assert!(is_float(b"1e5") && is_float(b"nan") && !is_float(b"Five"));
    }

    #[test]
    fn names() {
        assert!(is_dotted_name(b"torch._utils") && is_dotted_name(b"os\r") && is_dotted_name("é".as_bytes()));
        assert!(is_module(b"my-module") && is_module(b"7z") && !is_module(b"<html>"));
        assert!(!is_dotted_name(b"lass Net:") && !is_dotted_name(b"") && !is_dotted_name(b"a..b"));
    }
}
