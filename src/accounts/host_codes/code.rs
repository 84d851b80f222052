//! A code that somebody reads off one screen and types into another: 140 bits, in groups of four.
//!
//! Kept only as its sha256. Letters that look like digits are read as the digits.

use crate::{domain::refusal::Fault, gate::identity, keys};

/// A new code, as it is shown.
pub fn make() -> Result<String, Fault> {
    let mut bytes = [0; LENGTH];
    keys::fill(&mut bytes)?;
    let letters: Vec<char> = bytes.iter().map(|byte| char::from(LETTERS[usize::from(*byte % 32)])).collect();
    let groups: Vec<String> = letters.chunks(4).map(|group| group.iter().collect()).collect();
    Ok(groups.join("-"))
}

/// What is kept of a code, from the way that it was typed; `None` when it can be none.
pub fn hash(typed: &str) -> Option<[u8; 32]> {
    if typed.len() > 200 {
        return None;
    }
    let plain: String = typed
        .chars()
        .filter(|c| !c.is_whitespace() && *c != '-')
        .map(|c| match c.to_ascii_uppercase() {
            'O' => '0',
            'I' | 'L' => '1',
            other => other,
        })
        .collect();
    let whole = plain.len() == LENGTH && plain.bytes().all(|byte| LETTERS.contains(&byte));
    whole.then(|| identity::hash(&format!("host code {plain}")))
}

const LETTERS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const LENGTH: usize = 28;

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn a_code_is_read_however_it_is_typed_and_no_other_is() {
        let (one, other) = (make().unwrap(), make().unwrap());
        assert_eq!(one.len(), 34);
        assert_ne!(one, other);
        let kept = hash(&one).unwrap();
        for typed in [one.to_lowercase(), one.replace('-', ""), format!(" {} ", one.replace('-', " "))] {
            assert_eq!(hash(&typed), Some(kept), "{typed}");
        }
        assert_eq!(hash(&one.replace('0', "o").replace('1', "l")), Some(kept));
        assert_ne!(hash(&other), Some(kept));
        for none in ["", "0000", &one[..33], &format!("{one}0"), &one.replace(&one[..1], "U")] {
            assert_eq!(hash(none), None, "{none}");
        }
    }
}
