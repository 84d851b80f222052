//! What is in Python text but not for readers: letters that look like others, text that turns round, encodings that make
//! code of comments, programs in strings.

use ruff_python_ast::token::{TokenKind, Tokens};
use ruff_text_size::Ranged;
use unicode_normalization::UnicodeNormalization as _;

use super::{
    decode,
    walk::{Account, Seen},
};
use crate::{rules, text::shell::shortened};

/// Encodings that say the same of every ASCII byte as we do, and in which no other byte becomes or swallows an ASCII letter:
/// names as Python makes them, lower case and with hyphens.
#[rustfmt::skip]
const ORDINARY: &[&str] = &[
    "utf8", "utf-8", "u8", "utf", "utf8-ucs2", "utf8-ucs4", "cp65001", "utf-8-sig", "ascii", "us-ascii", "646", "ansi-x3.4-1968", "ansi-x3.4-1986", "iso646-us", "us",
    "latin", "latin-1", "latin1", "l1", "8859", "cp819", "iso8859", "iso8859-1", "iso-8859-1", "iso-ir-100", "latin2", "l2", "latin5", "latin9", "latin-9", "l9",
    "koi8-r", "koi8-u", "koi8-t", "kz1048", "mac-roman", "macroman", "macintosh", "mac-cyrillic", "mac-greek", "mac-iceland", "mac-latin2", "mac-turkish",
    "hp-roman8", "ptcp154", "tis-620", "tis620", "euc-kr", "euckr", "gb2312", "euc-cn", "euccn", "gb2312-1980",
    "cp437", "cp720", "cp737", "cp775", "cp850", "cp852", "cp855", "cp856", "cp857", "cp858", "cp860", "cp861", "cp862", "cp863", "cp865", "cp866", "cp869",
    "cp874", "cp1125", "cp1250", "cp1251", "cp1252", "cp1253", "cp1254", "cp1255", "cp1256", "cp1257", "cp1258",
    "windows-1250", "windows-1251", "windows-1252", "windows-1253", "windows-1254", "windows-1255", "windows-1256", "windows-1257", "windows-1258",
];
/// Encodings that say the same of ASCII bytes, but in which a letter of two bytes can end in one of them: a quote or a
/// backslash that we would see is none for Python.
#[rustfmt::skip]
const DOUBLE: &[&str] = &[
    "big5", "big5-tw", "csbig5", "big5-hkscs", "big5hkscs", "hkscs", "cp932", "932", "ms932", "mskanji", "ms-kanji", "cp949", "949", "ms949", "uhc", "cp950",
    "950", "ms950", "euc-jp", "eucjp", "ujis", "u-jis", "euc-jis-2004", "euc-jisx0213", "gb18030", "gb18030-2000", "gbk", "936", "cp936", "ms936", "johab", "cp1361", "ms1361",
    "shift-jis", "shiftjis", "sjis", "s-jis", "csshiftjis", "windows-31j",
];

pub(super) fn look(text: &str, tokens: &Tokens, account: &mut Account) {
    if let Some(coding) = codings(text).into_iter().find(|coding| !is_ordinary(coding, text.is_ascii())) {
        let coding = shortened(&coding);
        account.seen.push(Seen {
            rule: &rules::PYTHON_OBFUSCATED,
            at: 0,
            message: format!(
                "The file says that it is encoded in {coding}, so that Python reads other code in it than an editor shows"
            ),
        });
        account.unread = Some(format!("Python reads this file as {coding}"));
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

/// The encodings that one of the first two lines names, as Python makes one name of each.
fn codings(text: &str) -> Vec<String> {
    let first = text.split(['\n', '\r', '\u{c}']).filter(|line| !line.is_empty()).take(2);
    let comments = first.filter_map(|line| line.trim_start().strip_prefix('#'));
    // Python takes the first `coding` that a colon or an equals sign follows.
    comments
        .filter_map(|comment| {
            comment.match_indices("coding").find_map(|(at, word)| {
                let after = comment.get(at + word.len()..)?;
                let name = after.strip_prefix([':', '='])?.trim_start_matches([' ', '\t']);
                let end = name.find(|c: char| !(c.is_alphanumeric() || "-_.".contains(c))).unwrap_or(name.len());
                Some(name.get(..end)?.to_lowercase().replace('_', "-")).filter(|name| !name.is_empty())
            })
        })
        .collect()
}

/// Whether what Python reads under this encoding is what is read here.
fn is_ordinary(coding: &str, ascii: bool) -> bool {
    // Editors say how lines end behind the name.
    let name = ["-unix", "-dos", "-mac"].iter().find_map(|end| coding.strip_suffix(end)).unwrap_or(coding);
    let iso = name.strip_prefix("iso8859-").or_else(|| name.strip_prefix("iso-8859-"));
    ORDINARY.contains(&name)
        || iso.is_some_and(|part| part.parse::<u8>().is_ok_and(|part| (1..=16).contains(&part)))
        || ascii && DOUBLE.contains(&name)
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

#[cfg(test)]
mod tests {
    use super::{codings, is_ordinary};

    #[test]
    fn a_coding_is_found_as_python_finds_it() {
        for (text, coding) in [
            ("# -*- coding: UTF_8 -*-\n", "utf-8"),
            ("#!/usr/bin/python\n# vim: set fileencoding=latin-1 :\n", "latin-1"),
            ("# encoding coding: utf_7\n", "utf-7"),
            ("\x0c# coding=rot13", "rot13"),
            ("\r\n#coding:\tunicode_escape", "unicode-escape"),
        ] {
            assert_eq!(codings(text), [coding], "{text:?}");
        }
        assert!(codings("# coding is fun\nx = 1\n# coding: utf-7").is_empty());
    }

    #[test]
    fn only_encodings_that_change_nothing_are_ordinary() {
        for name in ["utf-8", "utf-8-unix", "latin-1", "iso-8859-15", "cp1252", "koi8-r", "gb2312"] {
            assert!(is_ordinary(name, false), "{name}");
        }
        for name in ["gbk", "shift-jis", "big5"] {
            assert!(is_ordinary(name, true) && !is_ordinary(name, false), "{name}");
        }
        for name in [
            "utf-7",
            "utf-16",
            "unicode-escape",
            "raw-unicode-escape",
            "rot13",
            "punycode",
            "cp037",
            "hz",
            "iso2022-jp",
            "x-own",
        ] {
            assert!(!is_ordinary(name, true), "{name}");
        }
    }
}
