//! The shape of our tokens: a prefix that scanners can find, 256 random bits, and a checksum that costs no database.
//!
//! Never makes randomness and never stores a token: only its sha256 is kept.

/// Which client a token is shaped for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shape {
    /// `wbgs_…`, for everything that sends any bearer token.
    Own,
    /// `hf_wbg…`, alphanumeric: llama.cpp sends nothing else.
    Hf,
}

/// Builds the token text from 43 base-62 digits made by a cryptographic generator.
pub fn compose(shape: Shape, digits: &[u8; 43]) -> String {
    let mut text = prefix(shape).to_owned();
    text.extend(digits.iter().map(|d| char::from(BASE62[usize::from(*d % 62)])));
    let sum = checksum(&text);
    text.push_str(&sum);
    text
}

/// Whether a text can be one of our tokens at all: asked before any database is, so that guesses cost nothing.
pub fn plausible(text: &str) -> bool {
    let Some(shape) = [Shape::Own, Shape::Hf].into_iter().find(|s| text.starts_with(prefix(*s))) else { return false };
    if text.len() != prefix(shape).len() + 49
        || !text.bytes().skip(prefix(shape).len()).all(|b| b.is_ascii_alphanumeric())
    {
        return false;
    }
    let (body, sum) = text.split_at(text.len() - 6);
    checksum(body) == sum
}

fn prefix(shape: Shape) -> &'static str {
    match shape {
        Shape::Own => "wbgs_",
        Shape::Hf => "hf_wbg",
    }
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

const BASE62: &[u8; 62] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_shapes_pass_their_own_check_and_a_typo_fails() {
        let digits = std::array::from_fn(|i| u8::try_from(i).unwrap_or(0) * 5);
        for shape in [Shape::Own, Shape::Hf] {
            let token = compose(shape, &digits);
            assert!(plausible(&token), "{token}");
            let mut typo = token.clone().into_bytes();
            typo[20] ^= 1;
            assert!(!plausible(&String::from_utf8_lossy(&typo)));
            assert!(!plausible(&token[..token.len() - 1]));
        }
        assert_eq!(compose(Shape::Own, &digits).len(), 54);
        assert!((37..=256).contains(&compose(Shape::Hf, &digits).len()));
    }
}
