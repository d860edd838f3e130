//! What can go wrong with a network that spans nodes.

use std::net::IpAddr;

use proto::model::{NetworkId, TaskId};
use thiserror::Error;
use worker_core::overlay::PlanError;

use crate::challenge::ChallengeError;
use crate::conntrack::ConntrackError;
use crate::error::NetworkError;
use crate::link_error::LinkError;
use crate::namespace::NamespaceError;
use crate::nft::NftError;
use crate::sysctl::SysctlError;

/// Why a network that spans nodes could not be set up, joined, left or removed.
#[derive(Debug, Error)]
pub enum OverlayError {
    /// The daemon has an id that no cluster gave it.
    #[error("`{id}` is no id of a cluster's node, so it takes part in no network: join a cluster first")]
    Node {
        /// The id.
        id: String,
    },
    /// What the managers tell cannot be had on this node.
    #[error(transparent)]
    Plan(#[from] PlanError),
    /// A task is to join a network nothing is known of.
    #[error("task {task} cannot join network {network} yet: the managers have not told this node of it")]
    Unknown {
        /// The task.
        task: TaskId,
        /// The network.
        network: NetworkId,
    },
    /// The data path's address is none of this host's.
    #[error(
        "network {network} cannot be set up: no link of this host has {address}, where the other nodes send its packets to; give the daemon an address of one of its links for the data path"
    )]
    NoDataPath {
        /// The network.
        network: NetworkId,
        /// The address.
        address: IpAddr,
    },
    /// Another VXLAN device of the host has the network's number.
    #[error(
        "network {network} cannot have the VXLAN number {vni} on this host, another device has it: stop the other daemon or program, or run this one in a network namespace of its own"
    )]
    VniTaken {
        /// The network.
        network: NetworkId,
        /// The number.
        vni: u32,
    },
    /// What something else changed is still so after it was put back.
    #[error("what something else changed of network {network} could not be put back: {differences}")]
    Stays {
        /// The network.
        network: NetworkId,
        /// What is not as it should be, in words.
        differences: String,
    },
    /// The kernel did not do what was asked.
    #[error("cannot {verb} network {network} on this node")]
    Failed {
        /// `set up`, `remove` and so on.
        verb: &'static str,
        /// The network.
        network: NetworkId,
        /// What failed.
        #[source]
        source: OverlayFault,
    },
    /// The ports that an earlier daemon answered for lead nowhere, and cannot be taken back.
    #[error("cannot take back the ports that every node answers for, which lead nowhere any more")]
    Gate {
        /// What failed.
        #[source]
        source: Box<OverlayFault>,
    },
    /// The folder of sandboxes cannot be read.
    #[error("cannot find the networks of this node")]
    Folder {
        /// What failed.
        #[source]
        source: Box<NetworkError>,
    },
}

impl OverlayError {
    /// Says what was being done when something failed; for `map_err`.
    pub(crate) fn failed<F: Into<OverlayFault>>(
        verb: &'static str,
        network: NetworkId,
    ) -> impl Fn(F) -> Self {
        move |fault| Self::Failed { verb, network, source: fault.into() }
    }
}

/// What failed.
#[derive(Debug, Error)]
pub enum OverlayFault {
    /// A namespace could not be made, entered or removed.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A link, address, neighbour or route could not be made.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A kernel setting could not be made.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// Rules could not be loaded.
    #[error(transparent)]
    Nft(#[from] NftError),
    /// Connections could not be forgotten.
    #[error(transparent)]
    Conntrack(#[from] ConntrackError),
    /// Clients of lost backends could not be told.
    #[error(transparent)]
    Challenge(#[from] ChallengeError),
    /// The link to the host, or a container's end of its link, could not be furnished.
    #[error(transparent)]
    Container(#[from] Box<NetworkError>),
}
