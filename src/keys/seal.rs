//! What seals secrets that are not ours: AES-256-GCM under a key of its own, each bound to what it belongs to.
//!
//! Never opens what was sealed for something else: a row that is copied to another place stays shut.

use std::{fmt, path::Path};

use aws_lc_rs::aead::{AES_256_GCM, Aad, NONCE_LEN, Nonce, RandomizedNonceKey};

use super::{make, read};
use crate::domain::refusal::Fault;

/// The key that seals.
pub struct SealKey(RandomizedNonceKey);

impl SealKey {
    /// Makes the key file unless there is one, and reads it.
    pub fn load_or_make(data_dir: &Path) -> Result<Self, Fault> {
        let path = data_dir.join("keys").join("seal.key");
        let bytes = if let Some(bytes) = read(&path)? {
            bytes
        } else {
            make(&path)?;
            read(&path)?.ok_or_else(|| Fault::new(format!("the key file {} is gone again", path.display())))?
        };
        let key = RandomizedNonceKey::new(&AES_256_GCM, &bytes);
        let wrong = |_| Fault::new(format!("the key file {} is {} bytes, not 32", path.display(), bytes.len()));
        key.map(Self).map_err(wrong)
    }

    /// Seals a secret for what it belongs to.
    pub fn seal(&self, belongs_to: &str, secret: &str) -> Result<Vec<u8>, Fault> {
        let mut bytes = secret.as_bytes().to_vec();
        let nonce = self.0.seal_in_place_append_tag(Aad::from(belongs_to), &mut bytes);
        let nonce = nonce.map_err(|_| Fault::new("sealing a secret"))?;
        Ok([nonce.as_ref().as_slice(), &bytes].concat())
    }

    /// Opens what was sealed with this key for exactly this.
    pub fn open(&self, belongs_to: &str, sealed: &[u8]) -> Result<String, Fault> {
        let shut =
            || Fault::new("opening a sealed secret: it was sealed with another key (keys/seal.key) or for another");
        let (nonce, bytes) = sealed.split_at_checked(NONCE_LEN).ok_or_else(shut)?;
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| shut())?;
        let mut bytes = bytes.to_vec();
        let plain = self.0.open_in_place(nonce, Aad::from(belongs_to), &mut bytes).map_err(|_| shut())?;
        String::from_utf8(plain.to_vec()).map_err(|_| shut())
    }
}

impl fmt::Debug for SealKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SealKey(..)")
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::disallowed_methods, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn what_is_sealed_opens_only_where_it_belongs_and_only_with_its_key() {
        let folder = || std::env::temp_dir().join(format!("weighbridge-seal-{}", ulid::Ulid::generate()));
        let (one, two) = (folder(), folder());
        let key = SealKey::load_or_make(&one).unwrap();
        let sealed = key.seal("row 1 of environment research", "hf_canary").unwrap();
        assert_eq!(
            SealKey::load_or_make(&one).unwrap().open("row 1 of environment research", &sealed).unwrap(),
            "hf_canary"
        );
        assert!(!sealed.windows(6).any(|six| six == b"canary"));
        assert_ne!(key.seal("row 1 of environment research", "hf_canary").unwrap(), sealed, "no two are alike");
        assert!(key.open("row 2 of environment research", &sealed).is_err());
        assert!(key.open("row 1 of environment prod", &sealed).is_err());
        let mut changed = sealed.clone();
        *changed.last_mut().unwrap() ^= 1;
        assert!(key.open("row 1 of environment research", &changed).is_err());
        assert!(key.open("row 1 of environment research", &sealed[..8]).is_err());
        assert!(SealKey::load_or_make(&two).unwrap().open("row 1 of environment research", &sealed).is_err());
        assert_eq!(format!("{key:?}"), "SealKey(..)");
        for folder in [one, two] {
            std::fs::remove_dir_all(folder).unwrap();
        }
    }
}
