//! Content ids: sha256 names a blob, the git id names a plain file as git and the hub do.
//!
//! Never hashes anything: hashing is where bytes are, in `blobs` and `intake`.

use std::{fmt, str::FromStr};

macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|b| write!(f, "{b:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = NotHex;

            fn from_str(text: &str) -> Result<Self, NotHex> {
                let mut bytes = [0_u8; $len];
                if text.len() != $len * 2 {
                    return Err(NotHex);
                }
                for (byte, pair) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
                    *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
                }
                Ok(Self(bytes))
            }
        }
    };
}

hex_id!(
    /// The sha256 of a blob's bytes: its name in our store, and the LFS id on the hub.
    Sha256, 32
);
hex_id!(
    /// The git blob id of a plain file: sha1 over `blob <size>\0` and the bytes.
    GitId, 20
);

#[derive(Debug, PartialEq, Eq)]
pub struct NotHex;

impl fmt::Display for NotHex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("not lower-case hexadecimal of the right length")
    }
}

impl std::error::Error for NotHex {}

fn nibble(c: u8) -> Result<u8, NotHex> {
    match c {
        b'0'..=b'9' => Ok(c - b'0'),
        b'a'..=b'f' => Ok(c - b'a' + 10),
        _ => Err(NotHex),
    }
}

/// What the hub says a file is: the git id of what the repository holds, and the sha256 when that is an LFS pointer.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct FileId {
    pub git: GitId,
    pub lfs: Option<Sha256>,
}

impl FileId {
    /// The ETag clients know the file by, without quotes: the name of its blob in their caches.
    pub fn etag(&self) -> String {
        self.lfs.map_or_else(|| self.git.to_string(), |sha| sha.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hex_round_trips_and_refuses_everything_else() {
        let text = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        assert_eq!(text.parse::<Sha256>().map(|s| s.to_string()).as_deref(), Ok(text));
        assert!(text.to_uppercase().parse::<Sha256>().is_err());
        assert!(text.parse::<GitId>().is_err());
        assert!("é".repeat(20).parse::<GitId>().is_err());
    }
}
