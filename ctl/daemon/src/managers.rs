//! The managers a node knows, and dialling one of them.

use crate::identity::{IdentityStore, Membership};
use futures::{FutureExt, future::BoxFuture};
use pki::{Credentials, Peer};
use proto::model::Role;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicUsize, Ordering},
};
use tokio::sync::watch;
use tonic::transport::Channel;
use tracing::{info, warn};
use worker::{ConnectError, Connector, ManagerPeer};

/// What people decided this node is to be, as the managers last told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Told {
    /// The role.
    pub role: Role,
    /// Whether the consensus group has this node as a member.
    pub in_group: bool,
}

/// The managers a node knows. Clones share them.
#[derive(Clone)]
pub struct Managers {
    inner: Arc<Inner>,
}

struct Inner {
    credentials: Credentials,
    store: IdentityStore,
    membership: Mutex<Membership>,
    told: watch::Sender<Option<Told>>,
    /// Counts the dials, so that each goes to another manager than the one before.
    dials: AtomicUsize,
}

impl Managers {
    /// The managers of a membership that is kept in this store.
    pub fn new(membership: Membership, credentials: Credentials, store: IdentityStore) -> Self {
        // Nodes begin with different managers, so that no manager has all of them.
        let dials = AtomicUsize::new(membership.node.bits() as usize);
        let told = watch::Sender::new(None);
        Self { inner: Arc::new(Inner { credentials, store, membership: Mutex::new(membership), told, dials }) }
    }

    /// The membership as it is now.
    pub fn membership(&self) -> Membership {
        self.lock().clone()
    }

    /// What the managers say this node is to be.
    pub fn told(&self) -> watch::Receiver<Option<Told>> {
        self.inner.told.subscribe()
    }

    /// Changes the membership, and keeps it if that changed anything.
    pub fn change(&self, change: impl FnOnce(&mut Membership)) -> Result<Membership, crate::identity::IdentityError> {
        let mut kept = self.lock();
        let mut changed = kept.clone();
        change(&mut changed);
        if changed != *kept {
            self.inner.store.save_membership(&changed)?;
            *kept = changed;
        }
        Ok(kept.clone())
    }

    /// A channel to a manager, another one than the time before.
    pub fn dial(&self) -> Result<Channel, ConnectError> {
        let membership = self.membership();
        // A manager's own listener knows the leader; it needs nobody else for that.
        let addr = match membership.role {
            Role::Manager => &membership.advertise_addr,
            Role::Worker => {
                let turn = self.inner.dials.fetch_add(1, Ordering::Relaxed);
                let count = membership.managers.len().max(1);
                membership.managers.get(turn % count).ok_or("this node knows no manager: join it again")?
            }
        };
        Ok(pki::channel(addr, Peer::AnyManager, &self.inner.credentials)?)
    }

    fn lock(&self) -> MutexGuard<'_, Membership> {
        // A panic elsewhere can't have left it half changed: it is replaced whole.
        self.inner.membership.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Connector for Managers {
    fn channel(&self) -> BoxFuture<'_, Result<Channel, ConnectError>> {
        std::future::ready(self.dial()).boxed()
    }

    fn advertise_addr(&self) -> Option<String> {
        let membership = self.membership();
        (membership.role == Role::Manager).then_some(membership.advertise_addr)
    }

    fn on_managers(&self, managers: Vec<ManagerPeer>, role: Role) {
        let node = self.membership().node;
        let in_group = managers.iter().any(|peer| peer.node == node);
        let addrs: Vec<String> = managers.into_iter().map(|peer| peer.addr).collect();
        // An empty list can't be true: someone has sent it.
        if !addrs.is_empty()
            && let Err(error) = self.change(|membership| membership.managers = addrs)
        {
            warn!(%error, "cannot remember the managers");
        }
        let told = Told { role, in_group };
        if self.inner.told.send_replace(Some(told)) != Some(told) {
            info!(%role, in_group, "the managers say what this node is to be");
        }
    }
}
