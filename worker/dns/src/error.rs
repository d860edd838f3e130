//! Why a container gets no name server.

use std::io;
use std::net::SocketAddr;
use std::path::PathBuf;

use thiserror::Error;
use worker_network::NamespaceError;

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
    /// The nft program cannot be run.
    #[error("cannot run {program}: install the package nftables")]
    StartNft {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The nft program or the kernel refused the rules.
    #[error("nft refused the rules of the name server in the namespace {namespace}: {complaint}")]
    Refused {
        /// The namespace.
        namespace: PathBuf,
        /// The beginning of what nft said.
        complaint: String,
    },
}
