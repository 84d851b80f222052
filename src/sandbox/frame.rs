//! The frames that gateway and child exchange over one socket: a kind, a length, a payload.
//!
//! Each kind has a greatest length, looked at before anything is allocated, and what is allocated grows with what has
//! arrived. Knows nothing of what a payload means.

use std::io::{self, Read, Write};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

/// What a frame is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    /// To the child, once: its limits and the neighbours.
    Setup = 1,
    /// To the child: scan this.
    Subject = 2,
    /// To the child: the place of the first byte, then bytes.
    Bytes = 3,
    /// From the child, once: what it has given up.
    Hello = 17,
    /// From the child: ranges it needs.
    Ask = 18,
    /// From the child: what it saw.
    Report = 19,
}

impl Kind {
    fn of(byte: u8) -> Option<Self> {
        [Self::Setup, Self::Subject, Self::Bytes, Self::Hello, Self::Ask, Self::Report]
            .into_iter()
            .find(|kind| *kind as u8 == byte)
    }

    /// The longest payload.
    pub(super) fn most(self) -> usize {
        match self {
            Self::Setup => 128 << 20,
            Self::Subject => 1 << 20,
            Self::Bytes => PIECE + 8,
            Self::Hello => 4 << 10,
            Self::Ask => MOST_RANGES * 16,
            Self::Report => 32 << 20,
        }
    }
}

/// The most bytes of the file in one frame, and the most that the gateway holds at a time for one child.
pub(super) const PIECE: usize = 8 << 20;

/// The most ranges in one request.
pub(super) const MOST_RANGES: usize = 4096;

const HEAD: usize = 5;

/// Up to here copying costs less than a second call.
const SHORT: usize = 4 << 10;

/// Why no frame came.
#[derive(Debug)]
pub(super) enum Cut {
    /// The other side is gone.
    Gone,
    /// The other side said something that it never says.
    Nonsense(String),
}

impl From<io::Error> for Cut {
    fn from(_: io::Error) -> Self {
        // Which error a dead peer makes depends on the moment it died; how it died is what is told.
        Self::Gone
    }
}

fn head(kind: Kind, length: usize) -> io::Result<[u8; HEAD]> {
    let fits = u32::try_from(length).ok().filter(|_| length <= kind.most());
    let length = fits.ok_or_else(|| io::Error::other(format!("{length} bytes are too many for one frame")))?;
    let [a, b, c, d] = length.to_le_bytes();
    Ok([kind as u8, a, b, c, d])
}

fn read_head([kind, a, b, c, d]: [u8; HEAD]) -> Result<(Kind, usize), Cut> {
    let kind = Kind::of(kind).ok_or_else(|| Cut::Nonsense(format!("a frame of kind {kind}")))?;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > kind.most() {
        return Err(Cut::Nonsense(format!("a frame {kind:?} of {length} bytes")));
    }
    Ok((kind, length))
}

/// Sends a frame from the child.
pub(super) fn send(into: &mut impl Write, kind: Kind, payload: &[u8]) -> io::Result<()> {
    into.write_all(&head(kind, payload.len())?)?;
    into.write_all(payload)
}

/// The next frame for the child; `None` when the gateway has closed the socket between two frames.
pub(super) fn receive(from: &mut impl Read) -> Result<Option<(Kind, Vec<u8>)>, Cut> {
    let mut first = [0; HEAD];
    if from.read(&mut first[..1])? == 0 {
        return Ok(None);
    }
    from.read_exact(&mut first[1..])?;
    let (kind, length) = read_head(first)?;
    let mut payload = Vec::new();
    from.take(length as u64).read_to_end(&mut payload)?;
    if payload.len() < length { Err(Cut::Gone) } else { Ok(Some((kind, payload))) }
}

/// Sends a frame to the child. `parts` are one payload.
pub(super) async fn tell(into: &mut (impl AsyncWrite + Unpin), kind: Kind, parts: [&[u8]; 2]) -> io::Result<()> {
    let [first, second] = parts;
    let mut start = head(kind, first.len() + second.len())?.to_vec();
    start.extend_from_slice(first);
    if second.len() <= SHORT {
        start.extend_from_slice(second);
        return into.write_all(&start).await;
    }
    into.write_all(&start).await?;
    into.write_all(second).await
}

/// The next frame from the child.
pub(super) async fn hear(from: &mut (impl AsyncRead + Unpin)) -> Result<(Kind, Vec<u8>), Cut> {
    let mut first = [0; HEAD];
    from.read_exact(&mut first).await?;
    let (kind, length) = read_head(first)?;
    let mut payload = Vec::new();
    from.take(length as u64).read_to_end(&mut payload).await?;
    if payload.len() < length { Err(Cut::Gone) } else { Ok((kind, payload)) }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::expect_used, clippy::panic, reason = "tests say what went wrong by panicking")]

    use super::*;

    #[test]
    fn a_length_is_looked_at_before_anything_is_allocated() {
        for (kind, most) in [(Kind::Hello, 4 << 10), (Kind::Report, 32 << 20), (Kind::Ask, MOST_RANGES * 16)] {
            let [a, b, c, d] = u32::try_from(most + 1).expect("it is small").to_le_bytes();
            let Err(Cut::Nonsense(why)) = receive(&mut &[kind as u8, a, b, c, d][..]) else { panic!("{kind:?}") };
            assert!(why.contains("bytes"), "{why}");
        }
        assert!(matches!(receive(&mut &[99, 0, 0, 0, 0][..]), Err(Cut::Nonsense(_))), "a kind that is none");
        assert!(matches!(receive(&mut &[19, 255, 255, 255, 1, 7][..]), Err(Cut::Gone)), "fewer bytes than said");
        assert!(matches!(receive(&mut &[][..]), Ok(None)), "the end between two frames is no trouble");
    }

    #[tokio::test]
    async fn what_is_told_is_received() {
        let mut wire = Vec::new();
        tell(&mut wire, Kind::Bytes, [b"abc", b"de"]).await.expect("it fits");
        send(&mut wire, Kind::Ask, b"f").expect("it fits");
        let mut from = &wire[..];
        assert!(matches!(receive(&mut from), Ok(Some((Kind::Bytes, all))) if all == b"abcde"));
        assert!(matches!(hear(&mut from).await, Ok((Kind::Ask, all)) if all == b"f"));
        assert!(send(&mut wire, Kind::Hello, &[0; 5000]).is_err(), "nor is more sent than the other side takes");
    }
}
