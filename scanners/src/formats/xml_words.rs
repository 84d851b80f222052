//! XML that is written in other letters than it seems: in encodings that turn plain characters into others, or without a mark
//! that says which they are.
//!
//! What can be turned back is inspected once more as what it is; of the rest is said that nobody looked.

use crate::{
    formats::{Format, Match, Probe},
    rules,
    scan::{Scan, Scanned, in_memory},
    source::Source,
};

pub(crate) const FORMAT: Format = Format { name: "xml in wide letters", recognise, inspect };

/// How `<?` or `<!` begins a document without a mark: the size of a letter, and where in it the low byte stands.
const BEGINS: &[(&[u8], usize, usize)] = &[
    (b"<\0?\0", 2, 0),
    (b"<\0!\0", 2, 0),
    (b"\0<\0?", 2, 1),
    (b"\0<\0!", 2, 1),
    (b"<\0\0\0?\0\0\0", 4, 0),
    (b"<\0\0\0!\0\0\0", 4, 0),
    (b"\0\0\0<\0\0\0?", 4, 3),
    (b"\0\0\0<\0\0\0!", 4, 3),
    (b"\xff\xfe\0\0<\0\0\0", 4, 0),
    (b"\0\0\xfe\xff\0\0\0<", 4, 3),
];
/// The same in the letters of large machines.
const EBCDIC: &[u8] = b"\x4c\x6f\xa7\x94\x93";

fn recognise(probe: &Probe<'_>) -> Match {
    let known = BEGINS.iter().any(|(begins, ..)| probe.starts_with(begins)) || probe.starts_with(EBCDIC);
    if known { Match::Content } else { Match::No }
}

/// Turns the letters into those of a text with a mark and inspects that.
fn inspect(scan: &mut Scan<'_>, source: &Source) -> Scanned<()> {
    let bytes = source.read_all(scan.limits.text_bytes)?;
    let Some((_, size, low)) = BEGINS.iter().find(|(begins, ..)| bytes.starts_with(begins)) else {
        unread(scan, source, "EBCDIC");
        return Ok(());
    };
    scan.unpacked(bytes.len() as u64)?;
    let letters = bytes.chunks_exact(*size).map(|letter| {
        let ordered = letter.iter().copied();
        // Halves of pairs stay as they are: the reader of the text joins them.
        if *low == 0 {
            ordered.rev().fold(0_u32, |code, byte| code << 8 | u32::from(byte))
        } else {
            ordered.fold(0, |code, byte| code << 8 | u32::from(byte))
        }
    });
    let mut made = vec![0xff, 0xfe];
    for code in letters.filter(|code| *code != 0xfeff) {
        let pair = char::from_u32(code).filter(|_| code > 0xffff).map(|c| c.encode_utf16(&mut [0; 2]).to_vec());
        let units = pair.unwrap_or_else(|| vec![u16::try_from(code).unwrap_or(0xfffd)]);
        made.extend(units.into_iter().flat_map(u16::to_le_bytes));
    }
    let end = source.file_name().rsplit_once('.').map_or("xml", |(_, end)| end).to_owned();
    let message = "The document is written in wide letters without a mark that says so: some programs read it as XML, and \
                   others as bytes of no kind.";
    scan.found(&rules::POLYGLOT, source, 0, message);
    scan.inner_made(source, 0..source.len(), &format!("its text.{end}"), in_memory(made));
    Ok(())
}

/// Single-byte and other encodings in which the characters of markup are what they seem.
#[rustfmt::skip]
const PLAIN: &[&str] = &[
    "utf8", "usascii", "ascii", "latin1", "latin9", "eucjp", "euckr", "euctw", "euccn", "shiftjis", "sjis", "windows31j", "gb2312", "gbk", "gb18030",
    "big5", "tis620", "unicode11utf8",
];
const PLAIN_KINDS: &[&str] = &["mac", "iso8859", "windows125", "cp125", "koi8", "ibm85", "ibm86", "cp85", "cp86"];

/// What the declaration of a document says of its encoding, where that makes other characters of what stands here. Inspects
/// what it makes of it; `again` is the reader of documents.
pub(super) fn declared(
    scan: &mut Scan<'_>,
    source: &Source,
    text: &str,
    again: fn(&mut Scan<'_>, &Source, &str) -> Scanned<()>,
) -> Scanned<()> {
    let Some(encoding) = encoding(text) else { return Ok(()) };
    let plain: String = encoding.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    let wide = plain.starts_with("utf16") || matches!(&plain[..], "unicode" | "ucs2" | "iso10646ucs2");
    let marked = matches!(source.read_up_to(0, 2)?.as_ref(), [0xff, 0xfe] | [0xfe, 0xff]);
    // Programs that see letters of one byte take no word for it that they have two.
    if PLAIN.contains(&&plain[..]) || PLAIN_KINDS.iter().any(|kind| plain.starts_with(kind)) || wide || marked {
        return Ok(());
    }
    if plain.ends_with("utf7") {
        let message = "The document says that it is written in UTF-7, in which plain letters stand for the characters of markup: \
                       what reads it so sees another document than what does not.";
        scan.found(&rules::POLYGLOT, source, 0, message);
        scan.unpacked(text.len() as u64)?;
        let other = utf7(text);
        // The declaration itself is plain in either, and is not followed a second time.
        let body = other.find("?>").and_then(|end| other.get(end + 2..)).unwrap_or(&other);
        return again(scan, source, body);
    }
    unread(scan, source, &encoding);
    Ok(())
}

fn unread(scan: &mut Scan<'_>, source: &Source, encoding: &str) {
    let encoding: String = encoding.chars().take(40).collect();
    let message = format!(
        "The document says that it is written in `{encoding}`, in which it can be another document than the one that was \
         looked at."
    );
    scan.found(&rules::POLYGLOT, source, 0, message);
    scan.left_out(source, format!("XML written in {encoding} is not decoded"));
}

/// The encoding that the declaration at the start names.
fn encoding(text: &str) -> Option<String> {
    let declaration = text.trim_start_matches('\u{feff}').trim_start().strip_prefix("<?xml")?;
    let declaration = declaration.get(..declaration.find("?>")?)?;
    let value = declaration.get(declaration.find("encoding")? + 8..)?.trim_start().strip_prefix('=')?.trim_start();
    let quote = value.chars().next().filter(|c| matches!(c, '"' | '\''))?;
    let value = value.get(1..)?;
    Some(value.get(..value.find(quote)?)?.trim().to_owned())
}

/// What UTF-7 makes of plain letters: `+ADw-` is `<`.
fn utf7(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(plus) = rest.find('+') {
        out.push_str(rest.get(..plus).unwrap_or_default());
        rest = rest.get(plus + 1..).unwrap_or_default();
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '+' | '/')).unwrap_or(rest.len());
        let coded = rest.get(..end).unwrap_or_default();
        rest = rest.get(end..).unwrap_or_default();
        if coded.is_empty() {
            out.push('+');
        }
        let bytes = crate::read::base64::decode(coded.as_bytes());
        let units = bytes.chunks_exact(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]]));
        out.extend(char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')));
        rest = rest.strip_prefix('-').unwrap_or(rest);
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use bytes::Bytes;

    use crate::{Limits, Outcome, Report, Verdict, scan};

    fn judge(name: &str, bytes: Vec<u8>) -> Report {
        match scan(name, Arc::new(Bytes::from(bytes)), &Limits::default(), None) {
            Outcome::Judged(report) => *report,
            Outcome::Needs(_) => unreachable!("all of it is here"),
        }
    }

    const ENTITY: &str = "<!DOCTYPE a [<!ENTITY b SYSTEM \"file:///etc/passwd\">]><a>&b;</a>";

    #[test]
    fn utf7_is_read_as_what_it_becomes() {
        let coded = ENTITY.replace('<', "+ADw-").replace('>', "+AD4-");
        for name in ["model.xml", "model.pmml", "figure.svg"] {
            let report = judge(name, format!("<?xml version=\"1.0\" encoding=\"UTF-7\"?>{coded}").into_bytes());
            assert!(report.findings.iter().any(|f| f.rule.id == "WB-XML-001"), "{name}: {report:?}");
        }
    }

    #[test]
    fn wide_letters_without_a_mark_are_read() {
        let text = format!("<?xml version=\"1.0\" encoding=\"UTF-16\"?>{ENTITY}");
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        let wider: Vec<u8> = text.chars().flat_map(|c| u32::from(c).to_be_bytes()).collect();
        for bytes in [little, big, wider] {
            let report = judge("model.xml", bytes);
            assert!(report.findings.iter().any(|f| f.rule.id == "WB-XML-001"), "{report:?}");
        }
    }

    #[test]
    fn what_is_not_decoded_is_said() {
        for encoding in ["ISO-2022-JP", "IBM037", "HZ-GB-2312", "UTF-32", "x-unknown"] {
            let report = judge("model.xml", format!("<?xml version='1.0' encoding='{encoding}'?><a/>").into_bytes());
            assert_eq!(report.verdict, Verdict::Suspicious, "{encoding}: {report:?}");
            assert!(report.coverage.reason.is_some(), "{encoding}");
        }
        for encoding in
            ["UTF-8", "utf8", "ISO-8859-1", "windows-1252", "US-ASCII", "UTF-16", "Shift_JIS", "MacCyrillic"]
        {
            let report = judge("model.xml", format!("<?xml version='1.0' encoding='{encoding}'?><a/>").into_bytes());
            assert_eq!(report.verdict, Verdict::Clean, "{encoding}: {report:?}");
        }
    }
}
