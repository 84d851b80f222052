//! What is in Python text but not for readers: letters that look like others, text that turns round, encodings that make
//! code of comments, programs in strings.

use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_text_size::Ranged;
use unicode_normalization::UnicodeNormalization as _;

use super::{
    decode,
    walk::{Account, Seen},
};
use crate::rules;

/// Encodings in which a comment or a string can hold code that an editor does not show.
#[rustfmt::skip]
const STRANGE: &[&str] = &["utf-7", "utf7", "u7", "unicode_escape", "unicode-escape", "raw_unicode_escape", "raw-unicode-escape", "rot13", "rot_13", "hex", "base64", "uu", "zlib", "bz2", "punycode", "idna", "undefined"];

pub(super) fn look(text: &str, tokens: &Tokens, account: &mut Account) {
    if let Some(coding) = coding(text).filter(|coding| STRANGE.contains(&coding.as_str())) {
        account.seen.push(Seen {
            rule: &rules::PYTHON_OBFUSCATED,
            at: 0,
            message: format!("The file says that it is encoded in {coding}, in which comments can hold code"),
        });
    }
    let ascii = text.is_ascii();
    for token in tokens {
        let at = token.range().start().to_u32();
        let slice = || text.get(token.range().start().to_usize()..token.range().end().to_usize()).unwrap_or_default();
        match token.kind() {
            TokenKind::Name if !ascii && !slice().is_ascii() => {
                let normal: String = slice().nfkc().collect();
                if normal.is_ascii() && normal.len() > 2 {
                    account.seen.push(Seen {
                        rule: &rules::PYTHON_OBFUSCATED,
                        at,
                        message: format!("The name `{normal}` is written in letters that only look like it"),
                    });
                }
            }
            TokenKind::Comment if !ascii && slice().chars().any(turns_round) => account.seen.push(Seen {
                rule: &rules::PYTHON_OBFUSCATED,
                at,
                message: "A comment holds characters that show the code around it in another order than it runs"
                    .to_owned(),
            }),
            TokenKind::String if token.range().len().to_u32() > 160 => {
                if let Some(what) = blob(slice()) {
                    account.seen.push(Seen {
                        rule: &rules::PYTHON_OBFUSCATED,
                        at,
                        message: format!("A long encoded text in the file is {what}"),
                    });
                }
            }
            _ => {}
        }
    }
}

/// Overrides and isolates; marks that ordinary texts in Arabic or Hebrew have are not among them.
fn turns_round(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// The encoding that one of the first two lines names.
fn coding(text: &str) -> Option<String> {
    text.lines().take(2).find_map(|line| {
        let comment = line.trim_start().strip_prefix('#')?;
        let after = comment.split_once("coding")?.1;
        let name = after.strip_prefix(':').or_else(|| after.strip_prefix('='))?.trim_start();
        Some(
            name.chars()
                .take_while(|c| c.is_ascii_alphanumeric() || "-_.".contains(*c))
                .collect::<String>()
                .to_lowercase(),
        )
    })
}

/// What a long string of base64 or hexadecimal digits is, if it is something that runs.
fn blob(literal: &str) -> Option<&'static str> {
    let text = literal.trim_start_matches(|c: char| c.is_ascii_alphabetic()).trim_matches(['"', '\'']);
    if text.contains("\\x") && text.matches("\\x").count() * 5 > text.len() {
        return kind(&decode::by_codec(text.as_bytes(), "unicode_escape")?);
    }
    let dense = text
        .bytes()
        .all(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/' | b'=' | b'-' | b'_' | b'\n' | b'\\'));
    if !dense {
        return None;
    }
    let plain: Vec<u8> = text.bytes().filter(|b| !matches!(b, b'\\' | b'\n')).collect();
    let hex = plain.iter().all(u8::is_ascii_hexdigit);
    let bytes = if hex { decode::hex(std::str::from_utf8(&plain).ok()?)? } else { decode::base64(&plain)? };
    kind(&bytes)
}

fn kind(bytes: &[u8]) -> Option<&'static str> {
    let head = bytes.get(..bytes.len().min(4096))?;
    if head.starts_with(b"\x7fELF") || head.starts_with(b"MZ\x90") || head.starts_with(b"\xcf\xfa\xed\xfe") {
        return Some("a program");
    }
    if matches!(head, [0x80, 2..=5, b'c' | 0x95, ..]) {
        return Some("a pickle");
    }
    let text = std::str::from_utf8(head).ok()?;
    let code = [
        "import os",
        "import socket",
        "import subprocess",
        "__import__(",
        "exec(",
        "eval(",
        "os.system",
        "/bin/sh",
        "/bin/bash",
    ];
    code.iter().any(|word| text.contains(word)).then_some("Python or shell code")
}
