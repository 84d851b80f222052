//! expects: E0308
//! A row written on the right to do something else.

use crate::{accounts::sql, domain::time::Micros, gate::{act::{ListTokens, RevokeToken}, grant::Granted, tx::Tx}};

#[cfg(weighbridge_case = "wrong")]
type May = Granted<ListTokens>;
#[cfg(weighbridge_case = "right")]
type May = Granted<RevokeToken>;

async fn write(tx: &Tx, may: &May, at: Micros) {
    let _ = sql::revoke_token(tx, may, at).await;
}

const _: usize = size_of_val(&write) + size_of::<Option<(ListTokens, RevokeToken)>>();
