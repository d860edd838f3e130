//! What can go wrong with a node's network as a whole.

use std::io;
use std::path::PathBuf;

use thiserror::Error;
use worker_core::network::{LedgerError, NameError};

use crate::link_error::LinkError;
use crate::macvlan::MacvlanError;
use crate::namespace::NamespaceError;
use crate::nft::NftError;
use crate::overlay::OverlayError;
use crate::sysctl::SysctlError;

/// Why the network, or one container's part of it, could not be set up or taken down.
#[derive(Debug, Error)]
pub enum NetworkError {
    /// An id cannot be part of a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// A task cannot have what it asked for.
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// A namespace could not be made, entered or removed.
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
    /// A network that spans nodes could not be opened or left.
    #[error(transparent)]
    Overlay(#[from] OverlayError),
    /// A network on a link of the node could not be opened or left.
    #[error(transparent)]
    Macvlan(#[from] MacvlanError),
    /// Rules could not be loaded since the kernel lacks something they need.
    #[error("this kernel cannot do what the rules need: {missing} is missing; {remedy}")]
    KernelLacks {
        /// What is missing.
        missing: String,
        /// What to do about it.
        remedy: String,
        /// How it showed.
        #[source]
        source: NftError,
    },
    /// A link of our name belongs to someone else.
    #[error(
        "the link {link} in the namespace {namespace} is not this node's (its alias is {alias:?}): remove the other node, or the link"
    )]
    NameTaken {
        /// The link.
        link: String,
        /// The namespace.
        namespace: PathBuf,
        /// What its alias says, empty without one.
        alias: String,
    },
    /// What something else changed is still so after it was put back.
    #[error("what something else changed could not be put back: {differences}")]
    Stays {
        /// What is not as it should be, in words.
        differences: String,
    },
    /// All link addresses are in use.
    #[error(
        "no link addresses are free for {link} in the namespace {namespace}: remove routes inside 169.254.0.0/16"
    )]
    NoLinkAddresses {
        /// The uplink.
        link: String,
        /// The namespace.
        namespace: PathBuf,
    },
    /// The folder of namespaces cannot be used.
    #[error("cannot {verb} the folder of namespaces {path}")]
    Folder {
        /// `list` or `remove`.
        verb: &'static str,
        /// The folder.
        path: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
}
