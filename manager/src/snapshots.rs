//! Taking snapshots: when the log has grown by as many entries as the cluster's settings say.

use crate::{raft::Raft, store::Store};
use proto::model::ClusterSpec;
use tracing::{info, warn};

/// Takes snapshots until the group stops.
pub async fn run(raft: Raft, store: Store) {
    let mut metrics = raft.data_metrics();
    loop {
        let (applied, saved) = {
            let metrics = metrics.borrow_and_update();
            (metrics.last_applied.map_or(0, |id| id.index), metrics.snapshot.map_or(0, |id| id.index))
        };
        let interval = store.snapshot().cluster().map_or_else(
            || ClusterSpec::default().snapshot_interval,
            |cluster| cluster.spec.snapshot_interval,
        );
        if applied.saturating_sub(saved) >= interval {
            info!(applied, before = saved, "taking a snapshot");
            if let Err(error) = raft.trigger().snapshot().await {
                warn!(%error, "cannot take a snapshot");
                return;
            }
            // It is taken in the background; asking again before it is done would only repeat it.
            if metrics.wait_for(|metrics| metrics.snapshot.map_or(0, |id| id.index) > saved).await.is_err() {
                return;
            }
        }
        if metrics.changed().await.is_err() {
            return;
        }
    }
}
