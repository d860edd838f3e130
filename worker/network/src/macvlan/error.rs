//! What can go wrong with a network on a link of the node.

use proto::model::{MacvlanMode, NetworkId};
use thiserror::Error;

use crate::link_error::LinkError;
use crate::namespace::NamespaceError;
use crate::nft::NftError;
use crate::sysctl::SysctlError;

/// Why a network on a link of the node could not be set up, joined or left.
#[derive(Debug, Error)]
pub enum MacvlanError {
    /// The network is of another kind.
    #[error("network {0} is not on a link of the nodes")]
    OtherKind(NetworkId),
    /// The node has no such link.
    #[error(
        "this node has no link {parent}: make it, or keep the service's tasks to nodes that have it by a label and --constraint node.labels.NAME==VALUE"
    )]
    NoParent {
        /// The link.
        parent: String,
    },
    /// The link is switched off.
    #[error("this node's link {parent} is down: switch it on with `ip link set {parent} up`")]
    ParentDown {
        /// The link.
        parent: String,
    },
    /// The network asks for packets that the link does not take.
    #[error(
        "the network asks for packets of {asked} bytes, and this node's link {parent} takes {mtu} only: raise the link's MTU, or make the network without -o mtu"
    )]
    ParentTooSmall {
        /// The link.
        parent: String,
        /// What the network asks for, in bytes.
        asked: u16,
        /// The link's MTU, in bytes.
        mtu: u32,
    },
    /// Something else has the link.
    #[error(
        "this node's link {parent} is in use: {}",
        match mode {
            MacvlanMode::Passthru => "with macvlan_mode=passthru it takes one container only, so have one task on each node",
            _ => "one that is part of a bridge or bond, or that a container has by macvlan_mode=passthru, takes no others",
        }
    )]
    ParentBusy {
        /// The link.
        parent: String,
        /// How it was to be used.
        mode: MacvlanMode,
    },
    /// The kernel did not do what was asked.
    #[error("cannot {verb} network {network} on this node's link {parent}")]
    Failed {
        /// `join` and so on.
        verb: &'static str,
        /// The network.
        network: NetworkId,
        /// The link.
        parent: String,
        /// What failed.
        #[source]
        source: MacvlanFault,
    },
    /// The node's links cannot be listed or removed.
    #[error("cannot {verb} the links that networks of this node are on")]
    Links {
        /// `list` or `remove`.
        verb: &'static str,
        /// What failed.
        #[source]
        source: MacvlanFault,
    },
}

/// What failed.
#[derive(Debug, Error)]
pub enum MacvlanFault {
    /// A namespace could not be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A link, address or route could not be made.
    #[error(transparent)]
    Link(#[from] LinkError),
    /// A kernel setting could not be made.
    #[error(transparent)]
    Sysctl(#[from] SysctlError),
    /// Rules could not be loaded.
    #[error(transparent)]
    Nft(#[from] NftError),
}
