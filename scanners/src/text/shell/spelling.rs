//! How words are spelled: assignments, escapes, and braces that make several words of one. Nothing is run.

/// In the place of braces and commas that no quotes make literal.
pub(super) const OPEN: char = '\u{f0001}';
pub(super) const COMMA: char = '\u{f0002}';
pub(super) const CLOSE: char = '\u{f0003}';

/// `name=value`
pub(super) fn assignment(word: &str) -> Option<(&str, &str)> {
    let (name, value) = word.split_once('=')?;
    let name = name.strip_suffix('+').unwrap_or(name);
    let begins = name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_');
    (begins && name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_')).then_some((name, value))
}

/// The letter that follows a backslash in `$'…'` or `echo -e`, and how many bytes say so.
pub(super) fn escape(text: &str) -> (char, usize) {
    let digits = |from: usize, most: usize, base: u32| {
        let digits = text.get(from..).unwrap_or_default();
        let count = digits.chars().take(most).take_while(|c| c.is_digit(base)).count();
        let value = u32::from_str_radix(digits.get(..count).unwrap_or_default(), base).ok().and_then(char::from_u32);
        value.map(|c| (c, from + count))
    };
    let first = text.chars().next().unwrap_or('\\');
    let simple = (first, first.len_utf8().min(text.len()));
    match first {
        'n' => ('\n', 1),
        't' => ('\t', 1),
        'x' => digits(1, 2, 16).unwrap_or(simple),
        'u' => digits(1, 4, 16).unwrap_or(simple),
        'U' => digits(1, 8, 16).unwrap_or(simple),
        '0'..='7' => digits(0, if first == '0' { 4 } else { 3 }, 8).unwrap_or(simple),
        _ => simple,
    }
}

/// A text with its escapes read, as `echo -e` and `printf` do, and how many there were.
pub(super) fn unescaped(text: &str) -> (String, usize) {
    let (mut out, mut rest, mut count) = (String::new(), text, 0);
    while let Some(at) = rest.find('\\') {
        out.push_str(rest.get(..at).unwrap_or_default());
        rest = rest.get(at + 1..).unwrap_or_default();
        count += usize::from(rest.starts_with(|c: char| c == 'x' || c == 'u' || c.is_ascii_digit()));
        let (c, length) = escape(rest);
        out.push(c);
        rest = rest.get(length..).unwrap_or_default();
    }
    out.push_str(rest);
    (out, count)
}

/// `{curl,-s,x}` and `c{ur,}l` as the words that they become.
pub(super) fn expanded(word: &str) -> Vec<String> {
    const MOST: usize = 64;
    let mut words = vec![word.to_owned()];
    for _ in 0..4 {
        let mut next = Vec::new();
        for word in &words {
            let parts = word.find(CLOSE).and_then(|close| {
                let open = word.get(..close)?.rfind(OPEN)?;
                let inner = word.get(open + OPEN.len_utf8()..close)?;
                let after = word.get(close + CLOSE.len_utf8()..)?;
                inner.contains(COMMA).then(|| (word.get(..open).unwrap_or_default(), inner, after))
            });
            match parts {
                Some((before, inner, after)) => {
                    next.extend(inner.split(COMMA).map(|part| format!("{before}{part}{after}")));
                }
                None => next.push(word.clone()),
            }
        }
        if next.len() > MOST || next.len() == words.len() {
            break;
        }
        words = next;
    }
    words
}
