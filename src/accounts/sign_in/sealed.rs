//! What the database keeps for a browser and cannot read itself: sealed with a secret that only the browser's cookie holds.
//!
//! Never keeps a secret, and never opens what was sealed for another purpose.

use aws_lc_rs::{
    aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey},
    digest,
};

use crate::{
    domain::{digest::Sha256, refusal::Fault},
    keys,
};

/// 256 random bits, for a cookie or a state.
pub fn secret() -> Result<String, Fault> {
    let mut bytes = [0; 32];
    keys::fill(&mut bytes)?;
    Ok(Sha256(bytes).to_string())
}

/// Whether a text can be one of ours.
pub fn is_secret(text: &str) -> bool {
    text.len() == 64 && text.bytes().all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b))
}

pub fn seal(secret: &str, purpose: &str, clear: &[u8]) -> Result<Vec<u8>, Fault> {
    let mut nonce = [0; 12];
    keys::fill(&mut nonce)?;
    let mut sealed = clear.to_vec();
    let key = key(secret, purpose).ok_or_else(|| Fault::new("sealing: the key"))?;
    key.seal_in_place_append_tag(Nonce::assume_unique_for_key(nonce), Aad::from(purpose.as_bytes()), &mut sealed)
        .map_err(|_| Fault::new("sealing"))?;
    Ok([nonce.as_slice(), &sealed].concat())
}

pub fn open(secret: &str, purpose: &str, sealed: &[u8]) -> Option<Vec<u8>> {
    let (nonce, rest) = sealed.split_at_checked(12)?;
    let nonce = Nonce::try_assume_unique_for_key(nonce).ok()?;
    let mut rest = rest.to_vec();
    let clear = key(secret, purpose)?.open_in_place(nonce, Aad::from(purpose.as_bytes()), &mut rest).ok()?;
    Some(clear.to_vec())
}

/// The secret is random, so one hash makes it a key; the purpose keeps one key from opening what another sealed.
fn key(secret: &str, purpose: &str) -> Option<LessSafeKey> {
    let text = format!("weighbridge sealed {purpose}\n{secret}");
    let bytes = digest::digest(&digest::SHA256, text.as_bytes());
    Some(LessSafeKey::new(UnboundKey::new(&AES_256_GCM, bytes.as_ref()).ok()?))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn only_the_same_secret_and_purpose_open_it() {
        let (one, other) = (secret().unwrap(), secret().unwrap());
        assert!(is_secret(&one) && one != other);
        let sealed = seal(&one, "a", b"nonce").unwrap();
        assert_eq!(open(&one, "a", &sealed).as_deref(), Some(b"nonce".as_slice()));
        assert_eq!(open(&other, "a", &sealed), None);
        assert_eq!(open(&one, "b", &sealed), None);
        let mut changed = sealed.clone();
        changed[14] ^= 1;
        assert_eq!(open(&one, "a", &changed), None);
        assert_eq!(open(&one, "a", &sealed[..11]), None);
        assert!(!sealed.windows(5).any(|part| part == b"nonce"));
    }
}
