//! Telling text from other bytes, and decoding it. Never guesses a language or an encoding beyond UTF-8, UTF-16 and Latin-1.

use std::borrow::Cow;

/// Whether these bytes, the first or last of a file, are text. `cut`: the file goes on behind them.
pub(crate) fn looks_like_text(bytes: &[u8], cut: bool) -> bool {
    if bytes.is_empty() {
        return true;
    }
    if let Some(wide) = utf16(bytes) {
        let controls = wide.chars().filter(|c| is_control(*c)).count();
        return controls * 50 <= wide.chars().count() && !wide.contains('\0');
    }
    if memchr::memchr(0, bytes).is_some() {
        return false;
    }
    let controls = bytes.iter().filter(|byte| byte.is_ascii_control() && is_control(char::from(**byte))).count();
    match std::str::from_utf8(bytes) {
        Ok(_) => controls * 50 <= bytes.len(),
        Err(error) if cut && error.error_len().is_none() => controls * 50 <= bytes.len(),
        Err(_) => {
            let plain = bytes.iter().filter(|b| b.is_ascii_graphic() || b.is_ascii_whitespace()).count();
            controls * 100 <= bytes.len() && plain * 10 >= bytes.len() * 3
        }
    }
}

/// The text, or the byte where it stops being text.
pub(crate) fn text(bytes: &[u8]) -> Result<Cow<'_, str>, usize> {
    // A stretch of binary in a long text is not made up for by the text around it.
    const STRETCH: usize = 4096;
    if let Some(wide) = utf16(bytes) {
        return if wide.contains('\0') { Err(0) } else { Ok(Cow::Owned(wide)) };
    }
    let bytes = bytes.strip_prefix(b"\xef\xbb\xbf").unwrap_or(bytes);
    if let Some(at) = memchr::memchr(0, bytes) {
        return Err(at);
    }
    for (place, stretch) in bytes.chunks(STRETCH).enumerate() {
        let controls = stretch.iter().filter(|byte| byte.is_ascii_control() && is_control(char::from(**byte))).count();
        if controls * 10 > stretch.len() {
            return Err(place * STRETCH);
        }
    }
    match std::str::from_utf8(bytes) {
        Ok(text) => Ok(Cow::Borrowed(text)),
        Err(_) => Ok(Cow::Owned(bytes.iter().map(|byte| char::from(*byte)).collect())),
    }
}

/// Whether letters of two bytes end with one byte: half a letter, of which each reader makes something else.
pub(crate) fn ends_in_half_a_letter(bytes: &[u8]) -> bool {
    !bytes.len().is_multiple_of(2) && utf16(bytes).is_some()
}

fn is_control(c: char) -> bool {
    c.is_ascii_control() && !matches!(c, '\t' | '\n' | '\r' | '\u{c}' | '\u{1b}' | '\u{7f}')
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let unit: fn([u8; 2]) -> u16 = match bytes.get(..2)? {
        [0xff, 0xfe] => u16::from_le_bytes,
        [0xfe, 0xff] => u16::from_be_bytes,
        _ => return None,
    };
    let units = bytes.get(2..)?.chunks_exact(2).map(|pair| unit([pair[0], pair[1]]));
    Some(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect())
}
