//! Python pickles: an abstract machine that loads nothing, and a judge of what loading would do.

pub(crate) mod tables;

use crate::{
    scan::{Scan, Scanned},
    source::Source,
};

/// Who loads the pickle, as far as the place where it was found tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Loader {
    /// `pickle.load` and everything that is not known more exactly.
    Plain,
    /// `torch.load` of a zip: a persistent id is a storage, and nothing may follow the pickle.
    TorchZip,
    /// numpy, after an array's header: one object array, and nothing may follow.
    Numpy,
}

/// What a pickle said about data that lies elsewhere.
#[derive(Debug, Default)]
pub(crate) struct Pickled {
    /// Storages that its persistent ids name.
    pub(crate) storages: Vec<Storage>,
}

/// A storage that a torch pickle names.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Storage {
    /// `0`: the member `data/0` of the archive.
    pub(crate) key: String,
    /// `FloatStorage`
    pub(crate) kind: String,
    pub(crate) count: u64,
    /// The byte of the pickle where it is named.
    pub(crate) at: u64,
}

/// Inspects a pickle whose loader is known from where it lies.
pub(crate) fn inspect_as(_scan: &mut Scan<'_>, _source: &Source, _loader: Loader) -> Scanned<Pickled> {
    Ok(Pickled::default())
}
