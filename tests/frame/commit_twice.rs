//! expects: E0382
//! One grant, two changes.

use crate::{domain::refusal::Fault, gate::{act::CreateToken, grant::Granted, tx::{Change, Tx}}};

async fn commit(one: Tx, two: Tx, may: Granted<CreateToken>) -> Result<(), Fault> {
    one.commit(may, Change::new(serde_json::json!({}))).await?;
    #[cfg(weighbridge_case = "wrong")]
    two.commit(may, Change::new(serde_json::json!({}))).await?;
    #[cfg(weighbridge_case = "right")]
    drop(two);
    Ok(())
}

const _: usize = size_of_val(&commit);
