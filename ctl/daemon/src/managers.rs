//! The managers a node knows, and dialling one of them.

use crate::identity::{IdentityStore, Membership};
use futures::{FutureExt, future::BoxFuture};
use pki::{Credentials, Peer};
use proto::model::Role;
use std::sync::{
    Arc, Mutex, MutexGuard, PoisonError,
    atomic::{AtomicBool, AtomicUsize, Ordering},
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
    /// Whether this node is leaving the cluster, so that its agent opens no session any more.
    leaving: AtomicBool,
}

impl Managers {
    /// The managers of a membership that is kept in this store.
    pub fn new(membership: Membership, credentials: Credentials, store: IdentityStore) -> Self {
        let inner = Inner {
            credentials,
            store,
            membership: Mutex::new(membership),
            told: watch::Sender::new(None),
            dials: AtomicUsize::new(0),
            leaving: AtomicBool::new(false),
        };
        Self { inner: Arc::new(inner) }
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
    pub fn change(
        &self,
        change: impl FnOnce(&mut Membership),
    ) -> Result<Membership, crate::identity::IdentityError> {
        let mut kept = self.lock();
        let mut changed = kept.clone();
        change(&mut changed);
        if changed != *kept {
            self.inner.store.save_membership(&changed)?;
            *kept = changed;
        }
        Ok(kept.clone())
    }

    /// A channel to a manager, another one than the time before if that was of no use.
    pub fn dial(&self) -> Result<Channel, ConnectError> {
        self.dial_next(&self.addrs())
    }

    /// A channel to a manager that is not this node, another one than the time before.
    pub fn dial_other(&self) -> Result<Channel, ConnectError> {
        let own = self.membership().advertise_addr;
        self.dial_next(&self.addrs().into_iter().filter(|addr| *addr != own).collect::<Vec<_>>())
    }

    fn dial_next(&self, addrs: &[String]) -> Result<Channel, ConnectError> {
        let turn = self.inner.dials.fetch_add(1, Ordering::Relaxed);
        let addr = addrs
            .get(turn % addrs.len().max(1))
            .ok_or("this node knows no manager to call: join it again")?;
        Ok(pki::channel(addr, Peer::AnyManager, &self.inner.credentials)?)
    }

    /// The managers to dial, in this order.
    pub fn addrs(&self) -> Vec<String> {
        in_order(self.membership(), *self.inner.told.borrow())
    }

    /// Says whether this node is leaving the cluster: its agent then opens no session any more.
    pub fn set_leaving(&self, leaving: bool) {
        self.inner.leaving.store(leaving, Ordering::Relaxed);
    }

    fn lock(&self) -> MutexGuard<'_, Membership> {
        // A panic elsewhere can't have left it half changed: it is replaced whole.
        self.inner.membership.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The addresses of a node's managers, the first to be dialled first.
fn in_order(membership: Membership, told: Option<Told>) -> Vec<String> {
    let Membership { node, role, advertise_addr: own, managers, .. } = membership;
    let mut others: Vec<String> = managers.into_iter().filter(|addr| *addr != own).collect();
    let outside = told.is_some_and(|told| told.role == Role::Worker || !told.in_group);
    if role == Role::Manager && (!outside || others.is_empty()) {
        // A manager's own listener knows the leader while its group has it, and else keeps callers
        // waiting for one. The group may have let it go while nobody could tell it.
        others.insert(0, own);
    } else if !others.is_empty() {
        // Nodes begin with different managers, so that no manager has all of them.
        let first = node.bits() as usize % others.len();
        others.rotate_left(first);
    }
    others
}

impl Connector for Managers {
    fn channel(&self) -> BoxFuture<'_, Result<Channel, ConnectError>> {
        let leaving = self.inner.leaving.load(Ordering::Relaxed);
        let channel = if leaving { Err("this node is leaving the cluster".into()) } else { self.dial() };
        std::future::ready(channel).boxed()
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
        if self.membership().role == Role::Manager {
            // What was dialled last works; the next time the own listener is the first again.
            self.inner.dials.store(0, Ordering::Relaxed);
        }
        let told = Told { role, in_group };
        if self.inner.told.send_replace(Some(told)) != Some(told) {
            info!(%role, in_group, "the managers say what this node is to be");
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::{ClusterId, NodeId};

    const OWN: &str = "10.0.0.9:2377";

    fn membership(node: u128, role: Role, managers: &[&str]) -> Membership {
        Membership {
            node: NodeId::from_bits(node),
            cluster: ClusterId::from_bits(1),
            role,
            incarnation: 0,
            advertise_addr: OWN.into(),
            listen_addr: OWN.into(),
            data_path_addr: None,
            managers: managers.iter().map(|&addr| addr.into()).collect(),
        }
    }

    #[test]
    fn a_manager_asks_itself_first_and_then_the_others() {
        let manager = membership(1, Role::Manager, &["a:1", OWN, "b:1"]);
        assert_eq!(
            in_order(manager, Some(Told { role: Role::Manager, in_group: true })),
            [OWN, "a:1", "b:1"]
        );
    }

    #[test]
    fn a_manager_that_was_let_go_asks_only_the_others() {
        let demoted = membership(0, Role::Manager, &[OWN, "a:1"]);
        assert_eq!(in_order(demoted, Some(Told { role: Role::Worker, in_group: false })), ["a:1"]);
    }

    #[test]
    fn a_manager_that_is_not_in_the_group_yet_does_not_wait_for_itself() {
        let newcomer = membership(0, Role::Manager, &["a:1"]);
        assert_eq!(in_order(newcomer, Some(Told { role: Role::Manager, in_group: false })), ["a:1"]);
    }

    #[test]
    fn a_manager_that_knows_nobody_else_still_asks_itself() {
        let alone = membership(1, Role::Manager, &[OWN]);
        assert_eq!(in_order(alone, Some(Told { role: Role::Worker, in_group: true })), [OWN]);
    }

    #[test]
    fn workers_begin_with_different_managers_and_never_with_themselves() {
        let of = |node| in_order(membership(node, Role::Worker, &["a:1", "b:1", OWN]), None);
        assert_eq!(of(0), ["a:1", "b:1"]);
        assert_eq!(of(1), ["b:1", "a:1"]);
    }
}
