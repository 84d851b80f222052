//! Verifying one file that was inspected by ranges: the scanner reads the stored bytes, all of them, and what was read over
//! the network must be in them.
//!
//! Until this is done nothing of the file leaves. A worse verdict or other bytes suspend the revision.

use super::{
    bytes::{FileBytes, NoBytes, differs},
    decide,
    digests::Wish,
    fetch, inspect,
    inspect::Files,
    sql,
    worker::Outcome,
};
use crate::{app::App, blobs::Kept, domain::refusal::Fault, gate::act::InspectRevision, gate::grant::Granted};

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
    let ranges = before.as_ref().map(|before| before.ranges.as_str()).unwrap_or_default();
    let kept: Vec<Kept> = serde_json::from_str(ranges).unwrap_or_default();
    if let Some(what) = differs(app, sha256, &seal, &kept).await? {
        return fetch::mismatch(app, &wanted, &what).await;
    }
    let mut bytes = FileBytes::stored(app, sha256, seal);
    let seen = match inspect::scan(app, &all, &wanted, &mut None, &mut bytes).await? {
        Ok(seen) => seen,
        Err(NoBytes::Fault(fault)) => return Err(fault),
        Err(NoBytes::Trouble(_) | NoBytes::Whole) => {
            return Err(Fault::new("verifying a stored file: its bytes did not come").passing());
        }
    };
    // What was seen is written down and decided about first; only then does the row say that the file may be served.
    inspect::save(app, wish, vec![inspect::row_of(wish, &all, row, &seen, &kept, false)]).await?;
    if !decide::is_decided(app, wish).await? {
        decide::decide(app, wish).await?;
    }
    inspect::save(app, wish, vec![inspect::row_of(wish, &all, row, &seen, &[], true)]).await?;
    Ok(Outcome::Done)
}

/// Whether the stored bytes of this file were read to their end and nothing was seen in them.
pub(super) async fn is_clean(app: &App, wish: &Wish, path: &str) -> Result<bool, Fault> {
    let may = inspect::grant(app, wish)?;
    let report = sql::find_report(may.reader(), &wish.revision_id, path).await?;
    let found = report.as_ref().map(|row| (row.stage.as_str(), row.verdict.as_str(), row.coverage.as_str()));
    Ok(found == Some((inspect::VERIFIED, "clean", "complete")))
}
