//! The short code that somebody carries from a terminal to a browser: eight letters that nobody takes for others.
//!
//! Never makes randomness, and is worth nothing by itself: it names a terminal that waits, for minutes.

use std::fmt;

/// See the module. Shown only to the two who carry it.
#[derive(Clone, PartialEq, Eq)]
pub struct UserCode(String);

impl UserCode {
    /// Of eight numbers below `LETTERS`, made by a cryptographic generator.
    pub fn of(numbers: &[u8; 8]) -> Self {
        Self(numbers.iter().map(|n| char::from(ALPHABET[usize::from(n % LETTERS)])).collect())
    }

    /// As people type it: in any case, with or without the dash, with blanks.
    pub fn parse(text: &str) -> Option<Self> {
        if text.len() > 40 {
            return None;
        }
        let kept = text.chars().filter(|c| !c.is_whitespace() && *c != '-').map(|c| c.to_ascii_uppercase());
        let letters: String = kept.collect();
        let ours = letters.len() == 8 && letters.bytes().all(|b| ALPHABET.contains(&b));
        ours.then_some(Self(letters))
    }

    /// The letters alone: what is hashed.
    pub fn letters(&self) -> &str {
        &self.0
    }

    /// `XXXX-XXXX`, as terminals show it.
    pub fn shown(&self) -> String {
        let (first, rest) = self.0.split_at(self.0.len() / 2);
        format!("{first}-{rest}")
    }
}

impl fmt::Debug for UserCode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UserCode(..)")
    }
}

/// How many letters there are: no vowels, so that no code is a word, and nothing that looks like a digit.
pub const LETTERS: u8 = 19;
const ALPHABET: &[u8; LETTERS as usize] = b"BCDFGHJKMNPQRSTVWXZ";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_as_people_type_it_and_as_nothing_else() {
        let code = UserCode::of(&[0, 1, 2, 3, 15, 16, 17, 18]);
        assert_eq!((code.letters(), code.shown().as_str()), ("BCDFVWXZ", "BCDF-VWXZ"));
        for typed in ["BCDF-VWXZ", "bcdfvwxz", " bcdf - vwxz\n", "b c d f v w x z"] {
            assert_eq!(UserCode::parse(typed), Some(code.clone()), "{typed:?}");
        }
        for other in ["", "BCDF", "BCDF-VWXZB", "BCDF-VWXA", "BCDF-VWX1", "BCDF-VWXL", "ÄCDF-VWX"] {
            assert_eq!(UserCode::parse(other), None, "{other:?}");
        }
        assert!(!format!("{code:?}").contains("BCDF"));
    }
}
