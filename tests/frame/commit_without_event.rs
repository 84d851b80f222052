//! expects: E0061
//! A change that would leave no trace.

use crate::{domain::refusal::Fault, gate::{act::CreateToken, grant::Granted, tx::{Change, Tx}}};

async fn commit(tx: Tx, may: Granted<CreateToken>, change: Change) -> Result<(), Fault> {
    #[cfg(weighbridge_case = "wrong")]
    return tx.commit(may).await;
    #[cfg(weighbridge_case = "right")]
    return tx.commit(may, change).await;
}

const _: usize = size_of_val(&commit);
