//! expects: E0308
//! A row written outside a transaction.

use crate::{accounts::sql, domain::time::Micros, gate::{act::RevokeToken, grant::Granted, tx::Tx}};

async fn write(tx: &Tx, may: &Granted<RevokeToken>, at: Micros) {
    #[cfg(weighbridge_case = "wrong")]
    let _ = sql::revoke_token(may.reader(), may, at).await;
    #[cfg(weighbridge_case = "right")]
    let _ = sql::revoke_token(tx, may, at).await;
    let _ = tx;
}

const _: usize = size_of_val(&write);
