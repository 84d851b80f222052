//! Verifying one file that was inspected by ranges: the scanner reads the stored bytes, all of them, and what was read over
//! the network must be in them.
//!
//! Until this is done nothing of the file leaves. A worse verdict or other bytes suspend the revision.

use std::time::Duration;

use super::{
    bytes::{FileBytes, NoBytes, differs},
    compare::{self, Reach, Unsettled},
    decide, decide_sql,
    digests::Wish,
    fetch, inspect,
    inspect::{Files, Scan, VERIFIED},
    report_sql, sql, twins,
    worker::Outcome,
};
use crate::{
    app::App,
    blobs::{Kept, Stored},
    domain::refusal::Fault,
    gate::{act::InspectRevision, grant::Granted},
    store::tables::report,
};

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
    let before = report_sql::find_report(may.reader(), &wish.revision_id, path).await?;
    // Whoever asked for it looked before another was done.
    if before.as_ref().is_some_and(|before| before.stage == VERIFIED) {
        return Ok(Outcome::Done);
    }
    if before.as_ref().is_some_and(|before| app.basis.is_newer(&before.scanner)) {
        let why = "a newer scanner has looked at it, and has to look at its bytes too".to_owned();
        return Ok(Outcome::GoesOn { why, after: Duration::from_secs(1) });
    }
    // What others decided on a newer basis is theirs to verify too: a verdict of ours would change nothing there.
    if decide_sql::rests_on_newer(may.reader(), &wish.revision_id, app.basis.number()).await? {
        let why = "it was decided about on a newer basis than this process has".to_owned();
        return Ok(Outcome::GoesOn { why, after: Duration::from_secs(1) });
    }
    let ranges = before.as_ref().map(|before| before.ranges.as_str()).unwrap_or_default();
    let kept: Vec<Kept> = serde_json::from_str(ranges).unwrap_or_default();
    let changed = || {
        let why = format!("the stored bytes of {path} are not as they were left, and are read again");
        Ok(Outcome::Later { why, after: Duration::from_secs(1) })
    };
    match differs(app, sha256, &seal, &kept).await {
        Ok(None) => {}
        Ok(Some(what)) => return fetch::mismatch(app, &wanted, &what).await,
        Err(NoBytes::Fault(fault)) => return Err(fault),
        Err(NoBytes::Changed | NoBytes::Trouble(_) | NoBytes::Whole) => return changed(),
    }
    let mut bytes = FileBytes::stored(app, sha256, seal);
    let seen = match inspect::scan(app, &all, &wanted, &mut None, &mut bytes).await? {
        Scan::Seen(seen) => seen,
        // What is not the file's doing takes nothing away: it is tried again, and until then nothing leaves.
        Scan::Passing { why, .. } => {
            let why = format!("{path} could not be verified: {why}");
            return Ok(Outcome::Later { why, after: Duration::from_secs(1) });
        }
        Scan::NoBytes(NoBytes::Fault(fault)) => return Err(fault),
        Scan::NoBytes(NoBytes::Changed | NoBytes::Trouble(_) | NoBytes::Whole) => return changed(),
    };
    // What was seen is written down and decided about first; only then does the row say that the file may be served.
    let mut row = inspect::row_of(wish, &all, row, &seen, &kept, false);
    if let Some(before) = &before {
        twins::carry(before, &mut row);
    }
    let (list, made_at) = (seen.tensors.map(|list| (path.to_owned(), list)), row.made_at);
    inspect::save_with(app, wish, vec![row], list.into_iter().collect()).await?;
    // Now that it is here, all of it can be compared, if what it is compared with is here too.
    match compare::settle(app, wish, &all, Reach::Store).await {
        Ok(()) => {}
        Err(Unsettled::Fault(fault) | Unsettled::NoBytes(NoBytes::Fault(fault))) => return Err(fault),
        Err(Unsettled::NoBytes(NoBytes::Changed | NoBytes::Trouble(_) | NoBytes::Whole)) => return changed(),
    }
    if !decide::is_decided(app, wish).await? {
        decide::decide(app, wish).await?;
    }
    let Some(row) = report_sql::find_report(may.reader(), &wish.revision_id, path).await? else {
        return Err(Fault::new("verifying a stored file: its report is gone").passing());
    };
    let verified = report::Model { stage: VERIFIED.to_owned(), ranges: "[]".to_owned(), made_at, ..row.clone() };
    if inspect::save_from(app, wish, vec![verified.clone()], &[verified]).await? {
        return Ok(Outcome::Done);
    }
    let why = format!("somebody else has looked at {path} meanwhile");
    Ok(Outcome::GoesOn { why, after: Duration::from_millis(200) })
}

/// Whether the stored bytes are those that were judged.
pub(super) async fn is_as_judged(app: &App, wish: &Wish, path: &str, stored: &Stored) -> Result<bool, Fault> {
    let may = inspect::grant(app, wish)?;
    let report = report_sql::find_report(may.reader(), &wish.revision_id, path).await?;
    // Without a report nobody knows what left.
    let Some(kept) = report.and_then(|row| serde_json::from_str::<Vec<Kept>>(&row.ranges).ok()) else {
        return Ok(false);
    };
    Ok(matches!(differs(app, stored.sha256, &stored.seal, &kept).await, Ok(None)))
}

/// Whether the stored bytes of this file were read to their end and nothing was seen in them.
pub(super) async fn is_clean(app: &App, wish: &Wish, path: &str) -> Result<bool, Fault> {
    let may = inspect::grant(app, wish)?;
    let report = report_sql::find_report(may.reader(), &wish.revision_id, path).await?;
    let found = report.as_ref().map(|row| (row.stage.as_str(), row.verdict.as_str(), row.coverage.as_str()));
    Ok(found == Some((inspect::VERIFIED, "clean", "complete")))
}
