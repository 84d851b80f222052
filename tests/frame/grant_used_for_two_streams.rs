//! expects: E0382
//! One grant, two bodies.

use crate::{blobs::{Blobs, Seal}, endpoint::{file::FileAnswer, input::Asked}, gate::{act::PullFile, grant::Granted}};

async fn send(may: Granted<PullFile>, blobs: &Blobs, seal: &Seal, asked: &Asked) {
    let _ = FileAnswer::send(may, blobs, seal, asked).await;
    #[cfg(weighbridge_case = "wrong")]
    let _ = FileAnswer::send(may, blobs, seal, asked).await;
}

const _: usize = size_of_val(&send);
