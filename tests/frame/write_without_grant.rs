//! expects: E0061
//! A row written by somebody who was not let in.

use crate::{gate::{act::BlockWorkload, grant::Granted, tx::Tx}, accounts::workloads::sql, store::tables::workload_block::Model};

async fn write(tx: &Tx, may: &Granted<BlockWorkload>, row: Model) {
    #[cfg(weighbridge_case = "wrong")]
    let _ = sql::save_block(tx, row).await;
    #[cfg(weighbridge_case = "right")]
    let _ = sql::save_block(tx, may, row).await;
    let _ = may;
}

const _: usize = size_of_val(&write);
