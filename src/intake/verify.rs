//! Verifying one file that was inspected by ranges: the scanner reads the stored bytes, all of them, and what was read over
//! the network must be in them.
//!
//! Until this is done nothing of the file leaves. A worse verdict or other bytes suspend the revision.

use super::{
    bytes::{FileBytes, Kept, NoBytes, differs},
    decide,
    digests::Wish,
    fetch, inspect,
    inspect::{Files, VERIFIED},
    seen, sql,
    worker::Outcome,
};
use crate::{app::App, domain::refusal::Fault, gate::act::InspectRevision, gate::grant::Granted};

pub async fn verify(app: &App, wish: &Wish, path: &str) -> Result<Outcome, Fault> {
    let may: Granted<InspectRevision> = inspect::grant(app, wish)?;
    let all = Files::new(sql::list_all_files(may.reader(), &wish.revision_id).await?);
    let Some(row) = all.rows.iter().find(|row| row.path == path) else {
        return Ok(Outcome::Failed(format!("the revision has no file {path}")));
    };
    let Some((sha256, seal)) = inspect::stored(&may, row).await? else {
        return Ok(Outcome::Failed(format!("{path} is not stored, so there is nothing to verify")));
    };
    let wanted = inspect::wanted(wish, row)?;
    let before = sql::find_report(may.reader(), &wish.revision_id, path).await?;
    if let Some(before) = &before {
        let kept: Vec<Kept> = serde_json::from_str(&before.ranges).unwrap_or_default();
        if let Some(what) = differs(app, sha256, &seal, &kept).await? {
            return fetch::mismatch(app, &wanted, &what).await;
        }
    }
    let mut bytes = FileBytes::stored(app, sha256, seal);
    let seen = match inspect::scan(app, &all, &wanted, &mut None, &mut bytes).await? {
        Ok(seen) => seen,
        Err(NoBytes::Fault(fault)) => return Err(fault),
        Err(NoBytes::Trouble(_) | NoBytes::Whole) => {
            return Err(Fault::new("verifying a stored file: its bytes did not come").passing());
        }
    };
    let after = inspect::row_of(wish, &all, row, &seen, &[], true);
    debug_assert_eq!(after.stage, VERIFIED);
    let current = before.as_ref().is_some_and(|before| before.scanner == seen::SCANNER.as_str());
    let same =
        before.as_ref().is_some_and(|before| before.verdict == after.verdict && before.coverage == after.coverage);
    inspect::save(app, wish, vec![after]).await?;
    if !(current && same) {
        decide::decide(app, wish).await?;
    }
    Ok(Outcome::Done)
}
