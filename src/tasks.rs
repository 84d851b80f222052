//! Work that outlives the request it came from: counted, so that a stop can wait for it.
//!
//! The one place that spawns; a task spawned elsewhere would be cut off in the middle of something at shutdown.

use std::{future::Future, sync::LazyLock, time::Duration};

use tokio::task::JoinHandle;
use tokio_util::task::TaskTracker;

static RUNNING: LazyLock<TaskTracker> = LazyLock::new(TaskTracker::new);

/// Starts something that a stop waits for.
pub fn spawn<F>(task: F) -> JoinHandle<F::Output>
where
    F: Future + Send + 'static,
    F::Output: Send + 'static,
{
    RUNNING.spawn(task)
}

/// Waits until everything that was spawned has ended, or the time is over. Says which.
pub async fn drain(most: Duration) -> bool {
    RUNNING.close();
    let drained = tokio::time::timeout(most, RUNNING.wait()).await.is_ok();
    RUNNING.reopen();
    drained
}
