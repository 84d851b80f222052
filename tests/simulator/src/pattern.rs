//! Endless pseudo-random bytes that cost nothing to serve.
//!
//! One block of 1 MiB is made once. Chunk number n of a generated file is that block, rotated by an amount drawn from
//! the file's seed and n, so any offset can be cut out without copying and without memory of its own.
//! Never random: the same seed gives the same bytes in every process.

use std::sync::OnceLock;

use bytes::Bytes;

/// Up to `max` bytes of the stream `seed`, from `offset`; never more than one chunk, never empty unless `max` is 0.
pub(crate) fn slice(seed: u64, offset: u64, max: usize) -> Bytes {
    let chunk = offset / BLOCK as u64;
    let inside = index(offset % BLOCK as u64);
    let turn = index(mix(seed ^ mix(chunk)) % BLOCK as u64);
    let take = max.min(BLOCK - inside);
    doubled_block().slice(turn + inside..turn + inside + take)
}

/// Up to `max` zero bytes.
pub(crate) fn zeros(max: usize) -> Bytes {
    static ZEROS: OnceLock<Bytes> = OnceLock::new();
    ZEROS.get_or_init(|| Bytes::from(vec![0; BLOCK])).slice(..max.min(BLOCK))
}

/// A short run of bytes that belongs to this seed alone: short files would otherwise often share a rotation.
pub(crate) fn short(seed: u64, len: usize) -> Bytes {
    let words = (0..len.div_ceil(8) as u64).flat_map(|n| mix(mix(seed).wrapping_add(n)).to_le_bytes());
    words.take(len).collect()
}

/// The 64-bit finaliser of splitmix64: a cheap, well-spread hash of one word.
pub(crate) fn mix(word: u64) -> u64 {
    let mut z = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}

/// The block twice in a row, so that every rotation of it is one plain slice.
fn doubled_block() -> &'static Bytes {
    static DOUBLED: OnceLock<Bytes> = OnceLock::new();
    DOUBLED.get_or_init(|| {
        let block: Vec<u8> = (0..BLOCK as u64 / 8).flat_map(|n| mix(n).to_le_bytes()).collect();
        Bytes::from([block.as_slice(), block.as_slice()].concat())
    })
}

/// A remainder of `BLOCK` always fits.
fn index(word: u64) -> usize {
    usize::try_from(word).unwrap_or(0)
}

pub(crate) const BLOCK: usize = 1 << 20;
