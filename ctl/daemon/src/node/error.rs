//! Why a node could not be brought into or out of a cluster.

use crate::{agent::AgentError, enrol::EnrolError, identity::IdentityError};
use manager::StartError;
use pki::{authority::AuthorityError, material::MaterialError};
use proto::model::Problems;
use std::{io, path::PathBuf};

/// Says why a node could not be brought into or out of a cluster.
#[derive(Debug, thiserror::Error)]
pub enum NodeError {
    /// It is in one already.
    #[error("this node is already part of a cluster: run `shoal swarm leave` first")]
    Active,
    /// It is in one, and can't take its place there.
    #[error(
        "this node is part of a cluster and can't take up its place there ({0}): mend that, or run `shoal swarm leave \
         --force` to forget the cluster"
    )]
    Unresumed(String),
    /// It is in none.
    #[error(
        "this node is not part of a cluster: run `shoal swarm init` to make one, or `shoal swarm join` to join one"
    )]
    Inactive,
    /// The managers have let it in, and not taken its manager into their group yet.
    #[error(
        "this node has joined, and its manager is not in the managers' group yet ({0}); it goes on trying: see `shoal \
         node ls` on another manager"
    )]
    StillJoining(String),
    /// A manager that is needed.
    #[error("{0}")]
    Needed(String),
    /// Bad settings.
    #[error(transparent)]
    Problems(#[from] Problems),
    /// The port is taken.
    #[error("can't listen on {addr}: {reason}")]
    Listen {
        /// Where.
        addr: String,
        /// Why, and what to do.
        reason: String,
    },
    /// The authority can't be made.
    #[error("failed to make the cluster's certificate authority")]
    Authority(#[from] AuthorityError),
    /// The node's certificate can't be used.
    #[error("the node's certificate can't be used")]
    Material(#[from] MaterialError),
    /// The node got no certificate.
    #[error(transparent)]
    Enrol(#[from] EnrolError),
    /// The manager does not start.
    #[error(transparent)]
    Manager(#[from] StartError),
    /// The agent does not start.
    #[error(transparent)]
    Agent(#[from] AgentError),
    /// The identity can't be kept.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// A folder can't be removed.
    #[error("failed to remove `{path}`")]
    Remove {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}
