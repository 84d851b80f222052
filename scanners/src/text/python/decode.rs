//! Turning encoded constants back: base64 and its kin, hexadecimal, rot13, percent signs. Decompressing is not done here.

use super::value::{LONGEST, Taint, Value, What};

/// The codecs of Python that turn one text into another.
pub(super) fn by_codec(bytes: &[u8], codec: &str) -> Option<Vec<u8>> {
    match codec.replace('-', "_").as_str() {
        "rot13" | "rot_13" => Some(bytes.iter().map(|b| rot13(*b)).collect()),
        "hex" | "hex_codec" => hex(std::str::from_utf8(bytes).ok()?),
        "base64" | "base64_codec" => base64(bytes),
        "unicode_escape" | "raw_unicode_escape" => Some(unescaped(bytes)),
        _ => None,
    }
}

fn rot13(byte: u8) -> u8 {
    match byte {
        b'a'..=b'z' => (byte - b'a' + 13) % 26 + b'a',
        b'A'..=b'Z' => (byte - b'A' + 13) % 26 + b'A',
        other => other,
    }
}

fn unescaped(bytes: &[u8]) -> Vec<u8> {
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let (digits, after) = match (byte, bytes.get(at + 1)) {
            (b'\\', Some(b'x')) => (bytes.get(at + 2..at + 4), 4),
            (b'\\', Some(b'u')) => (bytes.get(at + 2..at + 6), 6),
            _ => (None, 1),
        };
        let number = digits.and_then(|d| std::str::from_utf8(d).ok()).and_then(|d| u32::from_str_radix(d, 16).ok());
        if let Some(c) = number.and_then(char::from_u32) {
            out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
            at += after;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    out
}

/// Hexadecimal digits, blanks between them allowed.
pub(super) fn hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u8> = text.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
    if !digits.len().is_multiple_of(2) {
        return None;
    }
    let value = |digit: u8| char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok());
    digits
        .chunks_exact(2)
        .map(|pair| match *pair {
            [high, low] => Some(value(high)? << 4 | value(low)?),
            _ => None,
        })
        .collect()
}

/// Base64 of either alphabet, blanks and missing padding allowed, as lenient readers take it.
pub(super) fn base64(text: &[u8]) -> Option<Vec<u8>> {
    bits(text, 6, |byte| {
        Some(match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            _ => return None,
        })
    })
}

fn base32(text: &[u8]) -> Option<Vec<u8>> {
    bits(text, 5, |byte| match byte.to_ascii_uppercase() {
        byte @ b'A'..=b'Z' => Some(byte - b'A'),
        byte @ b'2'..=b'7' => Some(byte - b'2' + 26),
        _ => None,
    })
}

fn bits(text: &[u8], width: u32, value: impl Fn(u8) -> Option<u8>) -> Option<Vec<u8>> {
    let (mut out, mut held, mut count) = (Vec::with_capacity(text.len()), 0_u32, 0_u32);
    for byte in text {
        if byte.is_ascii_whitespace() || *byte == b'=' {
            continue;
        }
        held = (held << width | u32::from(value(*byte)?)) & 0xffff;
        count += width;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(held >> count & 0xff).unwrap_or(0));
        }
    }
    Some(out)
}

/// Ascii85 and the base85 of git and Python.
fn base85(text: &[u8], ascii: bool) -> Option<Vec<u8>> {
    const ALPHABET: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz!#$%&()*+-;<=>?@^_`{|}~";
    let (mut out, mut held, mut count) = (Vec::with_capacity(text.len()), 0_u64, 0_u32);
    let value = |byte: u8| {
        if ascii {
            byte.checked_sub(b'!').filter(|v| *v < 85).map(u64::from)
        } else {
            ALPHABET.iter().position(|b| *b == byte).map(|at| at as u64)
        }
    };
    for byte in text.iter().filter(|b| !b.is_ascii_whitespace()) {
        if ascii && *byte == b'z' && count == 0 {
            out.extend_from_slice(&[0; 4]);
            continue;
        }
        held = held * 85 + value(*byte)?;
        count += 1;
        if count == 5 {
            out.extend_from_slice(&u32::try_from(held).ok()?.to_be_bytes());
            (held, count) = (0, 0);
        }
    }
    if count > 1 {
        for _ in count..5 {
            held = held * 85 + 84;
        }
        let last = u32::try_from(held).ok()?.to_be_bytes();
        out.extend(last.iter().take(usize::try_from(count).ok()? - 1));
    }
    Some(out)
}

fn percent_signs(text: &str) -> String {
    let bytes = text.as_bytes();
    let (mut out, mut at) = (Vec::with_capacity(bytes.len()), 0);
    while let Some(byte) = bytes.get(at) {
        let digits = bytes.get(at + 1..at + 3).and_then(|d| std::str::from_utf8(d).ok());
        if let Some(decoded) = digits.filter(|_| *byte == b'%').and_then(|d| u8::from_str_radix(d, 16).ok()) {
            out.push(decoded);
            at += 3;
        } else {
            out.push(*byte);
            at += 1;
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

/// The decoders of the standard library. Where the argument is not known, the result is still known to be decoded.
pub(super) fn library(path: &str, first: &Value) -> Option<Value> {
    let given: Option<Vec<u8>> = match &first.what {
        What::Text(_) => first.as_text().map(|text| text.as_bytes().to_vec()),
        What::Bytes(bytes) => Some(bytes.to_vec()),
        _ => None,
    };
    let given = given.filter(|bytes| bytes.len() <= LONGEST);
    let turned = |decoder: fn(&[u8]) -> Option<Vec<u8>>| given.as_deref().and_then(decoder);
    let made = match path {
        "base64.b64decode"
        | "base64.standard_b64decode"
        | "base64.urlsafe_b64decode"
        | "base64.decodebytes"
        | "base64.decodestring"
        | "binascii.a2b_base64" => turned(base64),
        "base64.b32decode" => turned(base32),
        "base64.b16decode" | "binascii.unhexlify" | "binascii.a2b_hex" => {
            turned(|bytes| hex(std::str::from_utf8(bytes).ok()?))
        }
        "base64.b85decode" => turned(|bytes| base85(bytes, false)),
        "base64.a85decode" => turned(|bytes| base85(bytes, true)),
        "urllib.parse.unquote" | "urllib.unquote" => {
            return Some(Value::text(percent_signs(first.as_text()?)).tainted(first.taint));
        }
        "zlib.decompress"
        | "gzip.decompress"
        | "bz2.decompress"
        | "lzma.decompress"
        | "zlib.decompressobj().decompress"
        | "brotli.decompress"
        | "cryptography.fernet.Fernet().decrypt" => None,
        _ => return None,
    };
    Some(made.map_or_else(Value::default, Value::bytes).tainted(first.deep_taint().with(Taint::DECODED)))
}
