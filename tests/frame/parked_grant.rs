//! expects: E0507
//! A grant kept in a static and spent again and again.

use std::sync::OnceLock;

use crate::{domain::refusal::Fault, gate::{act::CreateToken, grant::Granted, tx::{Change, Tx}}};

static PARKED: OnceLock<Granted<CreateToken>> = OnceLock::new();

async fn again(tx: Tx, may: Granted<CreateToken>, change: Change) -> Result<(), Fault> {
    #[cfg(weighbridge_case = "wrong")]
    return tx.commit(*PARKED.get_or_init(|| may), change).await;
    #[cfg(weighbridge_case = "right")]
    return tx.commit(may, change).await;
}

const _: usize = size_of_val(&again) + size_of_val(&PARKED);
