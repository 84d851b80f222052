//! Checkpoints as C2SP writes them: a tree head in a signed note, and the line that names the key.
//!
//! Pure but for the signature: never reads a key file and never decides what is signed.

use aws_lc_rs::{
    digest::{SHA256, digest},
    signature::{ED25519, UnparsedPublicKey},
};

use super::tree::Hash;
use crate::keys::LedgerKey;

/// The head of a tree: what a checkpoint says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Checkpoint {
    pub(super) origin: String,
    pub(super) size: u64,
    pub(super) root: Hash,
}

impl Checkpoint {
    /// The whole note: text, empty line, signature. The key is named like the origin.
    pub(super) fn sign(&self, key: &LedgerKey) -> String {
        let text = self.text();
        let mut signature = key_id(&self.origin, key.public()).to_vec();
        signature.extend(key.sign(text.as_bytes()));
        format!("{text}\n\u{2014} {} {}\n", self.origin, base64(&signature))
    }

    /// Reads a note that carries a good signature of this key under the note's own origin; `None` for every other.
    pub(super) fn verify(note: &str, public: &[u8; 32]) -> Option<Self> {
        let (text, signatures) = note.rsplit_once("\n\n").map(|(text, s)| (format!("{text}\n"), s))?;
        let mut lines = text.lines();
        let (origin, size, root) = (lines.next()?, lines.next()?, lines.next()?);
        let wanted = key_id(origin, public);
        let signed = signatures.lines().any(|line| {
            let bytes = line
                .strip_prefix("\u{2014} ")
                .and_then(|l| l.split_once(' '))
                .filter(|(name, _)| *name == origin)
                .and_then(|(_, encoded)| from_base64(encoded));
            let Some((id, signature)) = bytes.as_deref().and_then(|b| b.split_first_chunk::<4>()) else { return false };
            *id == wanted && UnparsedPublicKey::new(&ED25519, public).verify(text.as_bytes(), signature).is_ok()
        });
        let head =
            Self { origin: origin.to_owned(), size: size.parse().ok()?, root: from_base64(root)?.try_into().ok()? };
        // Written back it must be the same text: so there is one spelling, and no further lines.
        (signed && head.text() == text).then_some(head)
    }

    fn text(&self) -> String {
        format!("{}\n{}\n{}\n", self.origin, self.size, base64(&self.root))
    }
}

/// The verifier's key: `name+key id+base64(1‖public key)`.
pub(super) fn vkey(origin: &str, public: &[u8; 32]) -> String {
    let id = u32::from_be_bytes(key_id(origin, public));
    let mut key = vec![ED25519_TYPE];
    key.extend(public);
    format!("{origin}+{id:08x}+{}", base64(&key))
}

/// The origin and public key of a vkey; `None` when its key id does not fit.
pub(super) fn read_vkey(text: &str) -> Option<(String, [u8; 32])> {
    let (origin, rest) = text.split_once('+')?;
    let (_, encoded) = rest.split_once('+')?;
    let key = from_base64(encoded)?;
    let public: [u8; 32] = key.strip_prefix(&[ED25519_TYPE])?.try_into().ok()?;
    (vkey(origin, &public) == text).then(|| (origin.to_owned(), public))
}

fn key_id(name: &str, public: &[u8; 32]) -> [u8; 4] {
    let mut named = name.as_bytes().to_vec();
    named.extend([b'\n', ED25519_TYPE]);
    named.extend(public);
    let mut id = [0; 4];
    id.copy_from_slice(&digest(&SHA256, &named).as_ref()[..4]);
    id
}

const ED25519_TYPE: u8 = 1;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

/// Standard base64 with padding. Ours because two short functions are less than one more crate to trust.
fn base64(bytes: &[u8]) -> String {
    let mut out = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let at = |n: usize| u32::from(chunk.get(n).copied().unwrap_or(0));
        let bits = at(0) << 16 | at(1) << 8 | at(2);
        for n in 0..4 {
            let index = (bits >> (18 - 6 * n) & 63) as usize;
            out.push(if n <= chunk.len() { char::from(ALPHABET[index]) } else { '=' });
        }
    }
    out
}

/// Reads only what `base64` writes: right padding, no stray bits.
fn from_base64(text: &str) -> Option<Vec<u8>> {
    let mut out = Vec::with_capacity(text.len() / 4 * 3);
    for chunk in text.as_bytes().chunks(4) {
        let mut bits = 0_u32;
        for c in chunk {
            let index = if *c == b'=' { 0 } else { ALPHABET.iter().position(|a| a == c)? };
            bits = bits << 6 | u32::try_from(index).ok()?;
        }
        let padding = chunk.iter().rev().take_while(|c| **c == b'=').count();
        out.extend(bits.to_be_bytes().get(1..4_usize.checked_sub(padding)?)?);
    }
    (base64(&out) == text).then_some(out)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Made and checked by other people's tools.
    const NOTE: &str = "weighbridge.example/audit\n70003\n9clrybdktCW6a3sU2aVEr6treg95UkLJ2L2KxeS65MU=\n\n\
        \u{2014} weighbridge.example/audit K6tVmc0OJp2DgOFlufnCfXwmoafa8lEtGDqz4KI9oKgM/QlPeZ2jyFT+Ki27uF5/CHF2ajLwxUD/TdiNqU+w8qjuoQ4=\n";
    const VKEY: &str = "weighbridge.example/audit+2bab5599+AUbCBaeDTS3Ys8KaUsjTy9w7UZDq5kz9F0PcKRtkAy4j";

    fn key() -> LedgerKey {
        LedgerKey::from_seed(digest(&SHA256, b"weighbridge-test-key").as_ref()).unwrap()
    }

    #[test]
    fn the_golden_note_comes_out_byte_for_byte_and_verifies() {
        let key = key();
        assert_eq!(vkey("weighbridge.example/audit", key.public()), VKEY);
        assert_eq!(read_vkey(VKEY), Some(("weighbridge.example/audit".into(), *key.public())));
        let head = Checkpoint::verify(NOTE, key.public()).unwrap();
        assert_eq!(head.size, 70_003);
        assert_eq!(head.sign(&key), NOTE);
    }

    #[test]
    fn a_note_changed_anywhere_is_refused() {
        let key = key();
        for at in 0..NOTE.len() {
            let mut bytes = NOTE.as_bytes().to_vec();
            bytes[at] ^= 1;
            if let Ok(changed) = String::from_utf8(bytes) {
                assert_eq!(Checkpoint::verify(&changed, key.public()), None, "byte {at}");
            }
        }
        let other = LedgerKey::from_seed(&[7; 32]).unwrap();
        assert_eq!(Checkpoint::verify(NOTE, other.public()), None);
        assert_eq!(Checkpoint::verify(&NOTE.replace("MU=\n", "MU=\nextension\n"), key.public()), None);
        assert_eq!(read_vkey(&VKEY.replace("2bab", "2bac")), None);
    }

    #[test]
    fn base64_reads_back_and_has_one_spelling() {
        for text in ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg=="] {
            assert_eq!(base64(&from_base64(text).unwrap()), text);
        }
        for bad in ["Z", "Zg", "Zg=", "Zh==", "=g==", "Z===", "Zm8=Zm8=", "Zm 8", "===="] {
            assert_eq!(from_base64(bad), None, "{bad}");
        }
    }
}
