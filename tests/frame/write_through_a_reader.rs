//! expects: E0308
//! A row written outside a transaction.

use crate::{gate::{act::BlockWorkload, grant::Granted, tx::Tx}, accounts::workloads::sql, store::tables::workload_block::Model};

async fn write(tx: &Tx, may: &Granted<BlockWorkload>, row: Model) {
    #[cfg(weighbridge_case = "wrong")]
    let _ = sql::save_block(may.reader(), may, row).await;
    #[cfg(weighbridge_case = "right")]
    let _ = sql::save_block(tx, may, row).await;
    let _ = tx;
}

const _: usize = size_of_val(&write);
