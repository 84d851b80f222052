//! expects: E0451
//! A grant written out by hand.

use crate::gate::{act::PullFile, grant::Granted};

#[cfg(weighbridge_case = "wrong")]
fn forge(may: Granted<PullFile>, object: crate::gate::object::File) -> Granted<PullFile> {
    Granted { object, ..may }
}

#[cfg(weighbridge_case = "right")]
fn forge(may: Granted<PullFile>) -> Granted<PullFile> {
    may
}

const _: usize = size_of_val(&forge);
