//! expects: E0308
//! File bytes sent on the right to read facts.

use crate::{blobs::{Blobs, Seal}, endpoint::{file::FileAnswer, input::Asked}, gate::{act::{PullFile, ViewRevision}, grant::Granted}};

#[cfg(weighbridge_case = "wrong")]
type May = Granted<ViewRevision>;
#[cfg(weighbridge_case = "right")]
type May = Granted<PullFile>;

async fn send(may: May, blobs: &Blobs, seal: &Seal, asked: &Asked) {
    let _ = FileAnswer::send(may, blobs, seal, asked).await;
}

const _: usize = size_of_val(&send) + size_of::<Option<ViewRevision>>() + size_of::<Option<PullFile>>();
