//! The words of a PDF: names with their escapes resolved, numbers of objects, and where an object stands.
//!
//! Nothing is judged here.

/// A name and where it stands.
pub(super) struct Name {
    /// Its slash.
    pub(super) at: usize,
    /// The byte behind it.
    pub(super) end: usize,
    pub(super) letters: Vec<u8>,
}

/// No name that matters is longer.
const LONGEST: usize = 32;

/// Every name of the text, in order.
pub(super) fn names(text: &[u8]) -> impl Iterator<Item = Name> {
    memchr::memchr_iter(b'/', text).map(|at| {
        let (letters, length) = name(text.get(at + 1..).unwrap_or_default());
        Name { at, end: at + 1 + length, letters }
    })
}

/// The name behind a slash with its escapes resolved, and how many bytes it has as it is written.
fn name(text: &[u8]) -> (Vec<u8>, usize) {
    let (mut name, mut at) = (Vec::new(), 0);
    while name.len() < LONGEST {
        match text.get(at) {
            Some(b'#') => {
                let digit = |place: usize| text.get(place).and_then(|b| char::from(*b).to_digit(16));
                let code = digit(at + 1).zip(digit(at + 2)).and_then(|(high, low)| u8::try_from(high * 16 + low).ok());
                name.push(code.unwrap_or(b'#'));
                at += if code.is_some() { 3 } else { 1 };
            }
            Some(byte) if byte.is_ascii_alphanumeric() => {
                name.push(*byte);
                at += 1;
            }
            _ => break,
        }
    }
    (name, at)
}

/// The objects that the first dictionary of the text refers to: `12 0 R`.
pub(super) fn numbers(text: &[u8]) -> Vec<u64> {
    let end = memchr::memmem::find(text, b">>").unwrap_or(text.len());
    let dictionary = text.get(..end).unwrap_or_default();
    let words: Vec<&[u8]> = dictionary
        .split(|b| b.is_ascii_whitespace() || b"<>[]/(".contains(b))
        .filter(|word| !word.is_empty())
        .collect();
    let refers = words.windows(3).filter(|three| three.get(2).is_some_and(|word| word.starts_with(b"R")));
    refers.filter_map(|three| std::str::from_utf8(three.first()?).ok()?.parse().ok()).collect()
}

/// Where the object of this number begins: behind `12 0 obj`, the last of that number, which is the one that counts.
pub(super) fn object(text: &[u8], number: u64) -> Option<usize> {
    let digits = number.to_string();
    let finder = memchr::memmem::FinderRev::new(digits.as_bytes());
    finder.rfind_iter(text).take(10_000).find_map(|at| {
        let fresh = at.checked_sub(1).and_then(|before| text.get(before)).is_none_or(|b| !b.is_ascii_digit());
        let behind = text.get(at + digits.len()..)?;
        let rest = behind.trim_ascii_start();
        let generation = rest.iter().take_while(|b| b.is_ascii_digit()).count();
        let word = rest.get(generation..)?.trim_ascii_start();
        let is = fresh && rest.len() < behind.len() && generation > 0 && word.starts_with(b"obj");
        is.then(|| text.len() - word.len() + 3)
    })
}
