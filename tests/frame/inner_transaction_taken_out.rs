//! expects: E0616
//! The transaction inside, committed by itself.

use crate::{domain::refusal::Fault, gate::{act::CreateToken, grant::Granted, tx::{Change, Tx}}};

async fn commit(tx: Tx, may: Granted<CreateToken>, change: Change) -> Result<(), Fault> {
    #[cfg(weighbridge_case = "wrong")]
    return tx.0.commit(Vec::new()).await;
    #[cfg(weighbridge_case = "right")]
    return tx.commit(may, change).await;
}

const _: usize = size_of_val(&commit);
