//! expects: E0308
//! A row written on the right to do something else.

use crate::{gate::{act::{BlockWorkload, ReadWorkloads}, grant::Granted, tx::Tx}, accounts::workloads::sql, store::tables::workload_block::Model};

#[cfg(weighbridge_case = "wrong")]
type May = Granted<ReadWorkloads>;
#[cfg(weighbridge_case = "right")]
type May = Granted<BlockWorkload>;

async fn write(tx: &Tx, may: &May, row: Model) {
    let _ = sql::save_block(tx, may, row).await;
}

const _: usize = size_of_val(&write) + size_of::<Option<(BlockWorkload, ReadWorkloads)>>();
