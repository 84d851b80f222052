//! expects: E0277
//! A grant copied, to be used after the decision behind it has changed.

use crate::gate::{act::PullFile, grant::Granted};

fn twice(may: Granted<PullFile>) -> (Granted<PullFile>, Option<Granted<PullFile>>) {
    #[cfg(weighbridge_case = "wrong")]
    return (Granted::clone(&may), Some(may));
    #[cfg(weighbridge_case = "right")]
    return (may, None);
}

const _: usize = size_of_val(&twice);
