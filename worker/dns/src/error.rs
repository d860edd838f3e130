//! Why a container gets no name server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;
use worker_network::{NamespaceError, NftError};

/// Why a container gets no name server.
#[derive(Debug, Error)]
pub enum ResolverError {
    /// The container's namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// A socket cannot be opened in the container's namespace.
    #[error("cannot listen on {address} in the namespace {namespace}: its loopback has to be up")]
    Listen {
        /// The address; port 0 is any.
        address: SocketAddr,
        /// The namespace.
        namespace: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// A socket cannot be used by the runtime.
    #[error("cannot wait for queries from the namespace {namespace}: raise the limit on open files")]
    Register {
        /// The namespace.
        namespace: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The rules that lead queries to the name server cannot be loaded.
    #[error(transparent)]
    Nft(#[from] NftError),
}
