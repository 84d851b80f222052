//! The shape of our tokens: a prefix that scanners can find, 256 random bits, and a checksum that costs no database.
//!
//! The prefix says what a token is for, so that none is ever tried as another. Never makes randomness and never stores a
//! token: only its sha256 is kept.

/// What a token is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Class {
    /// Made on the host or by an operator, for a machine; of the directory that pushes people, too.
    Service,
    /// Made by a person for their own scripts.
    Personal,
    /// Of a person who signed in from a terminal.
    Device,
    /// What a device token is renewed with. It opens nothing else.
    Refresh,
    /// Given for another's proof of identity, for an hour at most.
    Exchanged,
}

impl Class {
    pub const ALL: [Self; 5] = [Self::Service, Self::Personal, Self::Device, Self::Refresh, Self::Exchanged];

    pub fn word(self) -> &'static str {
        match self {
            Self::Service => "service",
            Self::Personal => "personal",
            Self::Device => "device",
            Self::Refresh => "refresh",
            Self::Exchanged => "exchanged",
        }
    }

    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|class| class.word() == word)
    }

    fn prefix(self) -> &'static str {
        match self {
            Self::Service => "wbgs_",
            Self::Personal => "wbgp_",
            Self::Device => "wbgd_",
            Self::Refresh => "wbgr_",
            Self::Exchanged => "wbgx_",
        }
    }
}

/// Which client a token is shaped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `wbg?_…`, for everything that sends any bearer token.
    Own,
    /// `hf_wbg…`, alphanumeric: llama.cpp sends nothing else. Service and personal tokens may have it.
    Hf,
}

/// Builds the token text from 43 base-62 digits made by a cryptographic generator.
pub fn compose(class: Class, shape: Shape, digits: &[u8; 43]) -> String {
    let prefix = if shape == Shape::Hf { HF } else { class.prefix() };
    let mut text = prefix.to_owned();
    text.extend(digits.iter().map(|d| char::from(BASE62[usize::from(*d % 62)])));
    let sum = checksum(&text);
    text.push_str(&sum);
    text
}

/// Whether a text can be one of our tokens at all: asked before any database is, so that guesses cost nothing.
pub fn plausible(text: &str) -> bool {
    let mut prefixes = Class::ALL.into_iter().map(Class::prefix).chain([HF]);
    let Some(prefix) = prefixes.find(|prefix| text.starts_with(prefix)) else { return false };
    if text.len() != prefix.len() + 49 || !text.bytes().skip(prefix.len()).all(|b| b.is_ascii_alphanumeric()) {
        return false;
    }
    let (body, sum) = text.split_at(text.len() - 6);
    checksum(body) == sum
}

/// Whether a text is of this class by its prefix; `hf_wbg…` is whatever its row says.
pub fn fits(text: &str, class: Class) -> bool {
    let hf = text.starts_with(HF) && matches!(class, Class::Service | Class::Personal);
    hf || text.starts_with(class.prefix())
}

fn checksum(body: &str) -> String {
    let mut left = crc32fast::hash(body.as_bytes());
    let mut digits = [b'0'; 6];
    for digit in digits.iter_mut().rev() {
        *digit = BASE62[(left % 62) as usize];
        left /= 62;
    }
    digits.iter().map(|b| char::from(*b)).collect()
}

const HF: &str = "hf_wbg";
const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_shape_passes_its_own_check_and_a_typo_fails() {
        let digits = std::array::from_fn(|i| u8::try_from(i).unwrap_or(0) * 5);
        let shapes = Class::ALL.map(|class| (class, Shape::Own)).into_iter().chain([(Class::Service, Shape::Hf)]);
        for (class, shape) in shapes {
            let token = compose(class, shape, &digits);
            assert!(plausible(&token), "{token}");
            assert!(Class::ALL.into_iter().all(
                |other| fits(&token, other) == (other == class || (shape == Shape::Hf && other == Class::Personal))
            ));
            let mut typo = token.clone().into_bytes();
            typo[20] ^= 1;
            assert!(!plausible(&String::from_utf8_lossy(&typo)));
            assert!(!plausible(&token[..token.len() - 1]));
        }
        assert_eq!(compose(Class::Personal, Shape::Own, &digits).len(), 54);
        assert!((37..=256).contains(&compose(Class::Service, Shape::Hf, &digits).len()));
    }
}
