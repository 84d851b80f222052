//! How pages hide what they say: entities, blanks in addresses, an encoding that browsers once guessed; and handlers that do
//! nothing but hide a picture. Nothing is run.

/// Whether an address is itself something that runs.
pub(super) fn runs(address: &str) -> Option<&'static str> {
    let plain = plain(address);
    if ["javascript:", "vbscript:", "livescript:", "mocha:"].iter().any(|scheme| plain.starts_with(scheme)) {
        return Some("a script");
    }
    let pages = [
        "data:text/html",
        "data:application/xhtml",
        "data:text/javascript",
        "data:application/javascript",
        "data:text/xml",
        "data:application/xml",
    ];
    pages.iter().any(|kind| plain.starts_with(kind)).then_some("a page that is written in the address")
}

/// The beginning of an address as browsers read it.
pub(super) fn plain(address: &str) -> String {
    let short: String = address.chars().take(2000).collect();
    let letters =
        entities(&short).chars().filter(|c| !c.is_whitespace() && !c.is_control()).take(200).collect::<String>();
    letters.to_lowercase()
}

/// The text with its entities read: numbers with or without their end, and the names that attackers need.
pub(super) fn entities(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('&') {
        let (before, after) = rest.split_at(at);
        out.push_str(before);
        if let Some((c, length)) = entity(after) {
            out.push(c);
            rest = after.get(length..).unwrap_or_default();
        } else {
            out.push('&');
            rest = after.get(1..).unwrap_or_default();
        }
    }
    out.push_str(rest);
    out
}

/// Entities that have names.
const NAMES: [(&str, char); 18] = [
    ("colon;", ':'),
    ("Tab;", ' '),
    ("NewLine;", ' '),
    ("lpar;", '('),
    ("rpar;", ')'),
    ("sol;", '/'),
    ("period;", '.'),
    ("comma;", ','),
    ("apos;", '\''),
    ("quot;", '"'),
    ("lt;", '<'),
    ("gt;", '>'),
    ("amp;", '&'),
    ("nbsp;", ' '),
    ("lbrace;", '{'),
    ("rbrace;", '}'),
    ("equals;", '='),
    ("semi;", ';'),
];

/// The letter that an entity stands for, and its length.
fn entity(text: &str) -> Option<(char, usize)> {
    if let Some(number) = text.strip_prefix("&#") {
        let hex = number.starts_with(['x', 'X']);
        let digits = number.get(usize::from(hex)..)?;
        let base = if hex { 16 } else { 10 };
        let count = digits.bytes().take(40).take_while(|b| char::from(*b).is_digit(base)).count();
        let value = digits.get(..count)?.trim_start_matches('0');
        let c = u32::from_str_radix(value, base).ok().and_then(char::from_u32)?;
        let ends = digits.get(count..).is_some_and(|rest| rest.starts_with(';'));
        return Some((c, 2 + usize::from(hex) + count + usize::from(ends)));
    }
    let name = text.get(1..)?;
    NAMES.iter().find(|(known, _)| name.starts_with(known)).map(|(known, c)| (*c, 1 + known.len()))
}

/// The text read as UTF-7, where it says so or holds brackets in it.
pub(super) fn utf7(text: &str) -> Option<String> {
    let head: String = text.chars().take(1024).collect::<String>().to_lowercase();
    if !["utf-7", "utf7"].iter().any(|name| head.contains(name)) && !text.contains("+ADw") {
        return None;
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find('+') {
        out.push_str(rest.get(..at).unwrap_or_default());
        let inner = rest.get(at + 1..).unwrap_or_default();
        let length = inner.bytes().take_while(|b| b.is_ascii_alphanumeric() || matches!(b, b'+' | b'/')).count();
        let after = inner.get(length..).unwrap_or_default();
        if length == 0 {
            out.push('+');
        } else {
            out.push_str(&wide(inner.get(..length).unwrap_or_default()));
        }
        rest = after.strip_prefix('-').unwrap_or(after);
    }
    out.push_str(rest);
    Some(out)
}

/// Base64 of UTF-16.
fn wide(text: &str) -> String {
    let (mut bits, mut count, mut units) = (0_u32, 0, Vec::new());
    for b in text.bytes() {
        let value = match b {
            b'A'..=b'Z' => b - b'A',
            b'a'..=b'z' => b - b'a' + 26,
            b'0'..=b'9' => b - b'0' + 52,
            b'+' => 62,
            _ => 63,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 16 {
            count -= 16;
            units.push((bits >> count & 0xffff) as u16);
            bits &= (1 << count) - 1;
        }
    }
    char::decode_utf16(units).map(|c| c.unwrap_or('\u{fffd}')).collect()
}

/// Whether a handler does no more than hide its element or show another picture: `this.style.display='none'`.
pub(super) fn only_hides(handler: &str) -> bool {
    handler.split(';').map(str::trim).filter(|statement| !statement.is_empty()).all(|statement| {
        let statement = statement.replace(' ', "");
        if matches!(statement.as_str(), "returnfalse" | "returntrue") {
            return true;
        }
        let Some(rest) = statement.strip_prefix("this.") else { return false };
        let names = |path: &str| path.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'.');
        if let Some(path) = rest.strip_suffix("()") {
            return names(path) && path.rsplit('.').next() == Some("remove");
        }
        let Some((path, value)) = rest.split_once('=') else { return false };
        let path = path.to_ascii_lowercase();
        let last = path.rsplit('.').next().unwrap_or_default();
        let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
        let literal = quoted.is_some_and(|text| !text.contains(['"', '\'', '\\']));
        let plain = literal || value.bytes().all(|b| b.is_ascii_alphanumeric());
        names(&path)
            && plain
            && match last {
                "onerror" | "onload" => value == "null",
                "display" | "visibility" | "opacity" | "hidden" | "alt" | "title" | "width" | "height"
                | "classname" => true,
                "src" | "srcset" => quoted.is_some_and(|address| runs(address).is_none() && super::is_known(address)),
                _ => false,
            }
    })
}
