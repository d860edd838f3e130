//! Secrets and configs of this node's tasks, as the managers tell them: in memory only.

use proto::model::{NodeDescription, Task};
use std::time::Duration;
use tokio::{sync::watch, time::timeout};
use worker_core::payloads::{Known, PayloadError, PayloadFile, Told};

/// How long a task waits for what the managers do not tell, though they tell other things. What is told may be as much as
/// the slowest of links takes some time for.
const PATIENCE: Duration = Duration::from_secs(60);

/// What the managers told.
#[derive(Debug, Default)]
pub(crate) struct Payloads(watch::Sender<Known>);

impl Payloads {
    /// Takes in what the managers told.
    pub(crate) fn take(&self, told: Told) {
        self.0.send_modify(|known| known.take(told));
    }

    /// What is known now and whenever it changes.
    pub(crate) fn known(&self) -> watch::Receiver<Known> {
        self.0.subscribe()
    }

    /// Waits until all of a task's secrets and configs are known, then gives the files that its container finds. While
    /// there are no managers it waits for them.
    pub(crate) async fn files(
        &self,
        task: &Task,
        node: &NodeDescription,
    ) -> Result<Vec<PayloadFile>, PayloadError> {
        let mut known = self.known();
        // Fails only when the sender is gone, which `self` holds.
        let _ = known.wait_for(|known| known.is_told() || known.lacks(task).is_none()).await;
        // What is still missing then is told by what reads it.
        let _ = timeout(PATIENCE, known.wait_for(|known| known.lacks(task).is_none())).await;
        let known = self.0.borrow().clone();
        known.files(task, node)
    }
}
