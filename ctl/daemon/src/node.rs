//! A node's life: outside of any cluster, made the first of one, joined to one, resumed, left.
//!
//! ```text
//!              init, join                    leave
//!   inactive ------------> active (worker) ---------> inactive
//!                            ^   |
//!                    demoted |   | promoted
//!                            |   v
//!                          active (manager)
//! ```

mod error;
mod init;
mod join;
mod leave;
mod roles;

use crate::{
    agent::Agent,
    config::DaemonConfig,
    follow,
    identity::{IdentityStore, Membership},
    images::sentence,
    managers::Managers,
};
pub use error::NodeError;
use leave::say_goodbye;
use manager::{Manager, ManagerConfig, raft::raft_id_of};
use pki::Credentials;
use proto::model::{Problems, Role};
use std::{
    io,
    sync::{Arc, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{net::TcpListener, sync::Mutex, task::JoinHandle, time::timeout};
use tracing::info;

/// How long the daemon, when it stops, waits for a change of the node's membership to end.
const TURN_TIME_MAX: Duration = Duration::from_secs(5);

/// A node. Clones share it.
#[derive(Clone)]
pub struct Node {
    pub(crate) config: Arc<DaemonConfig>,
    identity: IdentityStore,
    /// Held while the node comes into a cluster, leaves it or changes its role, so that these never mix.
    turn: Arc<Mutex<()>>,
    /// Locked for moments only, so that people can look at the node while its turn lasts.
    active: Arc<std::sync::Mutex<Option<Active>>>,
    /// Why it could not take up its membership, if it could not.
    trouble: Arc<std::sync::Mutex<Option<String>>>,
}

/// A node that is in a cluster.
struct Active {
    parts: Parts,
    manager: Option<Arc<Manager>>,
    /// Follows what the managers want this node to be, and renews its certificate.
    follower: Follower,
}

/// What of an active node stays the same while its role changes.
#[derive(Clone)]
pub(crate) struct Parts {
    pub managers: Managers,
    pub credentials: Credentials,
    pub agent: Agent,
}

/// The task that follows the managers. It ends when this is dropped.
struct Follower(JoinHandle<()>);

impl Follower {
    /// Ends it, and returns when it does nothing any more.
    async fn end(mut self) {
        self.0.abort();
        // An error says that it was aborted, which it was to be.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Follower {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// How a node stands to its cluster.
pub enum Standing {
    /// It is in none.
    Outside,
    /// It is on the way into one or out of one, or has just begun to take up its place.
    Changing,
    /// It is in one, and can't take up its place there; why.
    Trouble(String),
    /// It is in one.
    Active(Snapshot),
}

/// What a person sees of an active node.
pub struct Snapshot {
    /// Its membership.
    pub membership: Membership,
    /// Its manager, if it is one.
    pub manager: Option<Arc<Manager>>,
    /// Its agent.
    pub agent: Agent,
}

impl Node {
    /// A node with these settings; it is in no cluster before one of the other functions is called.
    pub fn new(config: DaemonConfig) -> Self {
        let identity = IdentityStore::new(config.identity_dir());
        Self {
            config: Arc::new(config),
            identity,
            turn: Arc::default(),
            active: Arc::default(),
            trouble: Arc::default(),
        }
    }

    /// Takes up the membership that the data folder holds, if it holds one.
    pub async fn resume(&self) -> Result<(), NodeError> {
        let _turn = self.turn.lock().await;
        // Somebody may have brought it into a cluster meanwhile, or out of the one it was in.
        if self.active().is_none()
            && let Some((membership, material)) = self.identity.load()?
        {
            info!(node = %membership.node, role = %membership.role, "resuming");
            let credentials = Credentials::new(material)?;
            let manager = match membership.role {
                Role::Manager => {
                    let listener = listen(&membership.listen_addr).await?;
                    Some(self.start_manager(&membership, &credentials, listener).await?)
                }
                Role::Worker => None,
            };
            self.activate(membership, credentials, manager).await?;
        }
        self.set_trouble(None);
        Ok(())
    }

    /// Notes why the membership could not be taken up.
    pub fn set_trouble(&self, trouble: Option<String>) {
        *self.trouble.lock().unwrap_or_else(PoisonError::into_inner) = trouble;
    }

    fn trouble(&self) -> Option<String> {
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Ends the node's work in this process. Its containers go on.
    pub async fn stop(&self) {
        // Whatever is cut short is taken up again by the next daemon.
        let _turn = timeout(TURN_TIME_MAX, self.turn.lock()).await;
        let taken = self.active().take();
        if let Some(Active { parts, manager, follower }) = taken {
            follower.end().await;
            parts.agent.stop().await;
            if let Some(manager) = manager {
                manager.stop().await;
            }
        }
    }

    /// The node as it is now; `None` if it has no place in a cluster.
    pub fn snapshot(&self) -> Option<Snapshot> {
        self.active().as_ref().map(|active| Snapshot {
            membership: active.parts.managers.membership(),
            manager: active.manager.clone(),
            agent: active.parts.agent.clone(),
        })
    }

    /// How the node stands to its cluster now.
    pub fn standing(&self) -> Standing {
        match (self.snapshot(), self.trouble()) {
            (Some(snapshot), _) => Standing::Active(snapshot),
            (None, Some(trouble)) => Standing::Trouble(trouble),
            (None, None) if self.turn.try_lock().is_err() => Standing::Changing,
            (None, None) => Standing::Outside,
        }
    }

    fn active(&self) -> MutexGuard<'_, Option<Active>> {
        // It is replaced whole, so a panic elsewhere can't have left it half changed.
        self.active.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Whether the node is in no cluster, so that it may enter one: nothing of another one is overwritten.
    fn check_outside(&self) -> Result<(), NodeError> {
        if self.active().is_some() {
            return Err(NodeError::Active);
        }
        match self.identity.load() {
            Ok(None) => Ok(()),
            Ok(Some(_)) => {
                Err(NodeError::Unresumed(self.trouble().unwrap_or_else(|| "it is about to try".to_owned())))
            }
            Err(error) => Err(NodeError::Unresumed(sentence(&error))),
        }
    }

    async fn start_manager(
        &self,
        membership: &Membership,
        credentials: &Credentials,
        listener: TcpListener,
    ) -> Result<Arc<Manager>, NodeError> {
        let config = ManagerConfig {
            data_dir: self.config.manager_dir(),
            node: membership.node,
            raft_id: raft_id_of(membership.node, membership.incarnation),
            advertise_addr: membership.advertise_addr.clone(),
            credentials: credentials.clone(),
        };
        Ok(Arc::new(Manager::start(config, listener).await?))
    }

    /// Begins the node's work; if its agent does not start, its manager is stopped as well.
    async fn activate(
        &self,
        membership: Membership,
        credentials: Credentials,
        manager: Option<Arc<Manager>>,
    ) -> Result<(), NodeError> {
        match self.start_agent(membership, credentials).await {
            Ok(parts) => {
                self.set_active(parts, manager);
                Ok(())
            }
            Err(error) => {
                if let Some(manager) = manager {
                    manager.stop().await;
                }
                Err(error)
            }
        }
    }

    async fn start_agent(
        &self,
        membership: Membership,
        credentials: Credentials,
    ) -> Result<Parts, NodeError> {
        let managers = Managers::new(membership, credentials.clone(), self.identity.clone());
        let agent = Agent::start(&self.config, managers.clone()).await?;
        Ok(Parts { managers, credentials, agent })
    }

    fn set_active(&self, parts: Parts, manager: Option<Arc<Manager>>) {
        let mut active = self.active();
        let follower = Follower(tokio::spawn(follow::run(self.clone(), parts.clone())));
        *active = Some(Active { parts, manager, follower });
    }

    fn forget(&self) -> Result<(), NodeError> {
        self.identity.remove()?;
        self.clear_manager_dir()?;
        self.set_trouble(None);
        Ok(())
    }

    /// Removes the log of an earlier membership.
    fn clear_manager_dir(&self) -> Result<(), NodeError> {
        let path = self.config.manager_dir();
        match std::fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(NodeError::Remove { path, source })
            }
            _ => Ok(()),
        }
    }
}

/// The value, if nothing was wrong with the request; without a value something was.
fn finish<T>(value: Option<T>, problems: Problems) -> Result<T, Problems> {
    match value {
        Some(value) => problems.finish(value),
        None => Err(problems),
    }
}

async fn listen(addr: &str) -> Result<TcpListener, NodeError> {
    TcpListener::bind(addr).await.map_err(|error| NodeError::Listen {
        addr: addr.to_owned(),
        reason: match error.kind() {
            io::ErrorKind::AddrInUse => {
                "another program uses this port (see it with `ss -ltnp`); end it, or choose another port with --listen-addr"
                    .to_owned()
            }
            io::ErrorKind::AddrNotAvailable => "this machine has no such address".to_owned(),
            _ => error.to_string(),
        },
    })
}
