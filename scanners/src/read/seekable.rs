//! A source as readers of other crates want it: forward, from any place, with errors of their kind.
//!
//! What stopped a read is kept aside, because those crates turn it into an error of their own. Never reads more than it may.

use std::{
    io::{self, Read, Seek, SeekFrom},
    sync::{Arc, Mutex, PoisonError},
};

use crate::{scan::Stop, source::Source};

/// A place in a source.
pub(crate) struct Seekable {
    source: Source,
    at: u64,
    left: u64,
    trouble: Trouble,
}

/// Why a read stopped, for whoever gave the source away.
#[derive(Clone, Default)]
pub(crate) struct Trouble(Arc<Mutex<Option<Stop>>>);

impl Trouble {
    /// The first reason, if there was one.
    pub(crate) fn take(&self) -> Option<Stop> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }
}

impl Seekable {
    /// Reads at most `most` bytes in all.
    pub(crate) fn new(source: &Source, most: u64) -> (Self, Trouble) {
        let trouble = Trouble::default();
        (Self { source: source.clone(), at: 0, left: most, trouble: trouble.clone() }, trouble)
    }
}

impl Read for Seekable {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let wanted = into.len() as u64;
        self.left = self.left.checked_sub(wanted).ok_or_else(|| io::Error::other("it reads too much"))?;
        let bytes = self.source.read_up_to(self.at, wanted).map_err(|stop| {
            self.trouble.0.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(stop);
            io::Error::other("the bytes could not be read")
        })?;
        for (to, from) in into.iter_mut().zip(&bytes) {
            *to = *from;
        }
        self.at += bytes.len() as u64;
        Ok(bytes.len())
    }
}

impl Seek for Seekable {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        let target = match to {
            SeekFrom::Start(at) => Some(at),
            SeekFrom::End(by) => self.source.len().checked_add_signed(by),
            SeekFrom::Current(by) => self.at.checked_add_signed(by),
        };
        self.at = target.ok_or_else(|| io::Error::other("a place before the start"))?;
        Ok(self.at)
    }
}
