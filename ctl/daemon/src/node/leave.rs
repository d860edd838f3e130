//! Leaving a cluster.

use super::{Active, Node, NodeError};
use crate::{enrol, managers::Managers};
use proto::wire::{LeaveRequest, membership_client::MembershipClient};
use std::time::Duration;
use tonic::{Code, Status};
use tracing::{info, warn};

/// How long a node that leaves may take to be let go.
const LEAVE_TIME_MAX: Duration = Duration::from_secs(15);

impl Node {
    /// Takes this node out of its cluster: its tasks end, and it forgets everything of the cluster.
    pub async fn leave(&self, force: bool) -> Result<(), NodeError> {
        let _turn = self.turn.lock().await;
        let Some(managers) = self.active().as_ref().map(|active| active.parts.managers.clone()) else {
            return self.leave_unresumed(force);
        };
        managers.set_leaving(true);
        if let Err(status) = say_goodbye(&managers, force).await {
            // With force the node leaves though nobody hears it.
            if !force {
                managers.set_leaving(false);
                return Err(NodeError::Needed(refusal(&status)));
            }
            warn!(reason = status.message(), "leaving though the managers could not be told");
        }
        let taken = self.active().take();
        let Some(Active { parts, manager, follower }) = taken else { return Ok(()) };
        follower.end().await;
        parts.agent.clear().await;
        if let Some(manager) = manager {
            manager.stop().await;
        }
        info!("left the cluster");
        self.forget()
    }

    /// Forgets a cluster in which this node could not take up its place.
    fn leave_unresumed(&self, force: bool) -> Result<(), NodeError> {
        match self.check_outside() {
            Ok(()) => Err(NodeError::Inactive),
            Err(_) if force => {
                info!("forgetting the cluster, in which this node has no place that it could take up");
                self.forget()
            }
            Err(error) => Err(error),
        }
    }
}

/// Tells the managers that this node leaves, if they let it; with `force` though it is a manager.
pub(super) async fn say_goodbye(managers: &Managers, force: bool) -> Result<(), Status> {
    let leaving = tokio::time::timeout(LEAVE_TIME_MAX, async {
        let mut left = Err(Status::unavailable("this node knows no manager"));
        for _ in managers.addrs() {
            let channel = managers.dial().map_err(|error| Status::unavailable(error.to_string()))?;
            left = MembershipClient::new(channel).leave(LeaveRequest { force }).await;
            // Another manager may be reached where this one was not.
            if !left.as_ref().is_err_and(enrol::is_connection_lost) {
                break;
            }
        }
        left
    });
    leaving.await.map_err(|_| Status::unavailable("the managers do not answer"))??;
    Ok(())
}

/// Why the managers did not let this node leave, and what to do about it.
fn refusal(status: &Status) -> String {
    match status.code() {
        Code::Unavailable | Code::DeadlineExceeded => {
            format!("{}; leave with --force to leave without telling the managers", enrol::reason(status))
        }
        _ => status.message().to_owned(),
    }
}
