//! Becoming a manager and becoming a worker again, as people promote and demote this node.

use super::{Node, NodeError, Parts, listen};
use crate::identity::Membership;
use manager::Manager;
use pki::Material;
use proto::model::Role;
use std::sync::Arc;
use tracing::info;

impl Node {
    /// Whether this node's manager runs.
    pub(crate) fn runs_manager(&self) -> bool {
        self.manager().is_some()
    }

    /// Makes this node a manager, because people promoted it. Its certificate says so already. The group
    /// knows nothing of it before [`Node::join_group`].
    pub(crate) async fn promote(&self, parts: &Parts) -> Result<(), NodeError> {
        let _turn = self.turn.lock().await;
        let before = parts.managers.membership();
        if before.role == Role::Manager {
            return Ok(());
        }
        let listener = listen(&before.listen_addr).await?;
        self.clear_manager_dir()?;
        // Written down before the group can count on it. It begins with an empty log, so it must not vote
        // under a number that it had before.
        let promoted = parts.managers.change(|membership| {
            membership.role = Role::Manager;
            membership.incarnation += 1;
        })?;
        let manager = self.start_manager(&promoted, &parts.credentials, listener).await?;
        self.set_manager(Some(manager)).await;
        info!("promoted: this node runs a manager now");
        Ok(())
    }

    /// Has the group take this node's manager in, which is started if it does not run.
    pub(crate) async fn join_group(&self, parts: &Parts) -> Result<(), NodeError> {
        let manager = self.running_manager(parts).await?;
        let other = parts.managers.dial_other().map_err(|error| NodeError::Needed(error.to_string()))?;
        manager.join_group(other).await?;
        info!("the group has taken this node's manager in");
        Ok(())
    }

    async fn running_manager(&self, parts: &Parts) -> Result<Arc<Manager>, NodeError> {
        let _turn = self.turn.lock().await;
        if let Some(manager) = self.manager() {
            return Ok(manager);
        }
        let membership = parts.managers.membership();
        let listener = listen(&membership.listen_addr).await?;
        let manager = self.start_manager(&membership, &parts.credentials, listener).await?;
        self.set_manager(Some(manager.clone())).await;
        Ok(manager)
    }

    /// Makes this node a worker, because people demoted it and the group has let it go.
    pub(crate) async fn demote(&self, parts: &Parts) -> Result<(), NodeError> {
        let _turn = self.turn.lock().await;
        let become_worker = |membership: &mut Membership| {
            membership.role = Role::Worker;
            let own = membership.advertise_addr.clone();
            membership.managers.retain(|addr| *addr != own);
        };
        parts.managers.change(become_worker)?;
        self.set_manager(None).await;
        self.clear_manager_dir()?;
        info!("demoted: this node is a worker now");
        Ok(())
    }

    /// Keeps a renewed certificate and uses it from now on.
    pub(crate) fn renewed(&self, parts: &Parts, material: Material) -> Result<(), NodeError> {
        self.identity.save_material(&material)?;
        parts.credentials.replace(material)?;
        Ok(())
    }

    fn manager(&self) -> Option<Arc<Manager>> {
        self.active().as_ref().and_then(|active| active.manager.clone())
    }

    /// Puts a manager in place of the one that runs, which is stopped.
    async fn set_manager(&self, manager: Option<Arc<Manager>>) {
        let old = match self.active().as_mut() {
            Some(active) => std::mem::replace(&mut active.manager, manager),
            // The node has left its cluster meanwhile.
            None => manager,
        };
        if let Some(old) = old {
            old.stop().await;
        }
    }
}
