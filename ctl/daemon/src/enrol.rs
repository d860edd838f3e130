//! Getting a certificate: in exchange for a join token, and anew before it ends.

use pki::{Credentials, JoinToken, Material, material::MaterialError, request, token::TokenError, transport};
use proto::{
    model::{ClusterId, NodeId, Role},
    wire::{self, GetRootRequest, JoinRequest, RenewRequest, ca_client::CaClient},
};
use std::{net::IpAddr, time::Duration};
use tonic::{Status, transport::Channel};

/// How long a manager may take to answer a node that wants to join.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(15);

/// Says why a node got no certificate.
#[derive(Debug, thiserror::Error)]
pub enum EnrolError {
    /// Not a token.
    #[error(transparent)]
    Token(#[from] TokenError),
    /// The address can't be dialled.
    #[error(transparent)]
    Address(#[from] transport::DialError),
    /// Nobody answers there.
    #[error(
        "manager {addr} can't be reached ({reason}): check the address, that the manager is running, and that no \
         firewall between the machines closes this port"
    )]
    Unreachable {
        /// Where.
        addr: String,
        /// Why.
        reason: String,
    },
    /// What answers there is not the cluster of the token.
    #[error(
        "the manager at {addr} belongs to another cluster than the join token: run `shoal swarm join-token` on a manager \
         of the cluster you want, and check the address"
    )]
    OtherCluster {
        /// Where.
        addr: String,
    },
    /// The manager refused.
    #[error("{0}")]
    Refused(String),
    /// The node's key can't be made.
    #[error("failed to make this node's key")]
    Key(#[from] request::RequestError),
    /// The certificate that came is of no use.
    #[error("the certificate that the manager sent can't be used")]
    Material(#[from] MaterialError),
    /// The answer is not what it should be.
    #[error("the manager's answer has no valid {0}")]
    Answer(&'static str),
}

/// What a node is told of itself when it is let in.
pub struct Enrolled {
    /// Its id.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// What it is.
    pub role: Role,
    /// Its certificate.
    pub material: Material,
}

/// What a node says of itself when it asks to be let in.
pub struct Application {
    /// Its name.
    pub hostname: String,
    /// Whether tasks may be placed on it at once.
    pub availability: wire::Availability,
    /// Those that other nodes are to reach it by.
    pub addresses: Vec<IpAddr>,
}

/// Asks a manager to let this node in.
///
/// The root certificate is fetched from a stranger and believed only if the token's digest fits it;
/// from then on the manager must prove that this root has signed for it, before the secret is sent.
pub async fn join(addr: &str, token: &str, application: Application) -> Result<Enrolled, EnrolError> {
    let parsed: JoinToken = token.parse()?;
    let stranger = transport::channel_to_stranger(addr)?;
    let root = within(addr, CaClient::new(stranger).get_root(GetRootRequest {})).await?;
    let root_pem = root.root_pem;
    if !parsed.is_for_root(&root_pem) {
        return Err(EnrolError::OtherCluster { addr: addr.to_owned() });
    }
    let key = request::new_key()?;
    let request = JoinRequest {
        token: token.trim().to_owned(),
        csr_pem: key.csr_pem,
        availability: application.availability.into(),
        hostname: application.hostname,
        addresses: application.addresses.iter().map(ToString::to_string).collect(),
    };
    let manager = transport::channel_to_root(addr, &root_pem)?;
    let answer = within(addr, CaClient::new(manager).join(request)).await?;
    Ok(Enrolled {
        node: answer.node_id.parse().map_err(|_| EnrolError::Answer("node id"))?,
        cluster: answer.cluster_id.parse().map_err(|_| EnrolError::Answer("cluster id"))?,
        role: role(answer.role())?,
        material: Material { cert_pem: answer.certificate_pem, key_pem: key.key_pem, root_pem },
    })
}

/// Renews this node's certificate, with the role that people have decided meanwhile.
pub async fn renew(channel: Channel, credentials: &Credentials) -> Result<(Role, Material), EnrolError> {
    let key = request::new_key()?;
    let request = RenewRequest { csr_pem: key.csr_pem };
    let answer = within("of this cluster", CaClient::new(channel).renew(request)).await?;
    let role = role(answer.role())?;
    let root_pem = credentials.material().root_pem;
    Ok((role, Material { cert_pem: answer.certificate_pem, key_pem: key.key_pem, root_pem }))
}

async fn within<T>(
    addr: &str,
    call: impl Future<Output = Result<tonic::Response<T>, Status>>,
) -> Result<T, EnrolError> {
    let unreachable = |reason: String| EnrolError::Unreachable { addr: addr.to_owned(), reason };
    match tokio::time::timeout(ANSWER_TIME_MAX, call).await {
        Ok(Ok(answer)) => Ok(answer.into_inner()),
        Ok(Err(status)) if is_connection_lost(&status) => Err(unreachable(reason(&status))),
        Ok(Err(status)) => Err(EnrolError::Refused(status.message().to_owned())),
        Err(_) => Err(unreachable("no answer in time".to_owned())),
    }
}

/// Whether a call failed because of its connection: only that has a cause below it, a manager's own
/// words are meant for people.
pub fn is_connection_lost(status: &Status) -> bool {
    std::error::Error::source(status).is_some()
}

/// Why a call failed: the innermost cause says what happened, the others only that a connection failed.
pub fn reason(status: &Status) -> String {
    let mut innermost: &dyn std::error::Error = match std::error::Error::source(status) {
        Some(source) => source,
        None => return status.message().to_owned(),
    };
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost.to_string()
}

fn role(role: wire::Role) -> Result<Role, EnrolError> {
    match role {
        wire::Role::Worker => Ok(Role::Worker),
        wire::Role::Manager => Ok(Role::Manager),
        wire::Role::Unspecified => Err(EnrolError::Answer("role")),
    }
}
