//! Sending openraft's messages to other managers.

use super::{AddressBook, Contacts, Member, RaftId, TypeConfig};
use openraft::{
    error::{InstallSnapshotError, NetworkError, RPCError, RaftError, RemoteError, Unreachable},
    network::{RPCOption, RaftNetwork, RaftNetworkFactory},
    raft::{
        AppendEntriesRequest, AppendEntriesResponse, InstallSnapshotRequest, InstallSnapshotResponse,
        VoteRequest, VoteResponse,
    },
};
use pki::{Credentials, Peer};
use proto::wire::{RaftMessage, raft_client::RaftClient};
use serde::{Serialize, de::DeserializeOwned};
use std::{
    collections::BTreeMap,
    future::Future,
    sync::{Arc, Mutex, PoisonError},
};
use tonic::{Response, Status, transport::Channel};

/// The largest message between managers, in bytes.
pub(super) const MESSAGE_BYTES_MAX: usize = 64 << 20;

/// Makes connections to other managers. Clones share them: openraft asks for a new client at every
/// linearizable read, which must not cost a handshake each.
#[derive(Clone)]
pub struct Network {
    /// Shown to the other managers.
    pub credentials: Credentials,
    /// Where they are.
    pub addresses: AddressBook,
    /// When they last answered.
    pub contacts: Contacts,
    /// The connections that are open.
    open: Arc<Mutex<BTreeMap<RaftId, Open>>>,
}

/// An address, and the connection to it.
type Open = (String, RaftClient<Channel>);

impl Network {
    /// A network of managers that are found by this book.
    pub fn new(credentials: Credentials, addresses: AddressBook) -> Self {
        Self { credentials, addresses, contacts: Contacts::default(), open: Arc::default() }
    }
}

impl RaftNetworkFactory<TypeConfig> for Network {
    type Network = Connection;

    async fn new_client(&mut self, target: RaftId, member: &Member) -> Connection {
        Connection { network: self.clone(), target, member: member.clone() }
    }
}

/// A way to one manager; its connection is opened again when its address changes.
pub struct Connection {
    network: Network,
    target: RaftId,
    /// As the membership names it, for when the address book does not.
    member: Member,
}

type Failure<E> = RPCError<RaftId, Member, E>;

impl Connection {
    fn client<E: std::error::Error>(&self) -> Result<RaftClient<Channel>, Failure<E>> {
        let member = self.network.addresses.find(self.target).unwrap_or_else(|| self.member.clone());
        // Nothing that panics is done under the lock.
        let mut open = self.network.open.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((addr, client)) = open.get(&self.target)
            && *addr == member.addr
        {
            return Ok(client.clone());
        }
        // The certificate must name this very node: a message meant for one manager that another
        // one answered would break the counting of votes.
        let channel = pki::channel(&member.addr, Peer::Node(member.node), &self.network.credentials)
            .map_err(|error| RPCError::Unreachable(Unreachable::new(&error)))?;
        let client = RaftClient::new(channel)
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX);
        open.insert(self.target, (member.addr, client.clone()));
        Ok(client)
    }

    async fn call<Q, A, E, F>(
        &mut self,
        request: &Q,
        option: &RPCOption,
        send: impl FnOnce(RaftClient<Channel>, tonic::Request<RaftMessage>) -> F,
    ) -> Result<A, Failure<E>>
    where
        Q: Serialize,
        A: DeserializeOwned,
        E: std::error::Error + DeserializeOwned,
        F: Future<Output = Result<Response<RaftMessage>, Status>>,
    {
        let payload =
            rmp_serde::to_vec_named(request).map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        let mut message = tonic::Request::new(RaftMessage { payload });
        message.set_timeout(option.hard_ttl());
        let answer = send(self.client()?, message).await.map_err(|status| match status.code() {
            // openraft pauses before it tries such a member again.
            tonic::Code::Unavailable => RPCError::Unreachable(Unreachable::new(&status)),
            _ => RPCError::Network(NetworkError::new(&status)),
        })?;
        self.network.contacts.answered(self.target);
        let result: Result<A, E> = rmp_serde::from_slice(&answer.into_inner().payload)
            .map_err(|error| RPCError::Network(NetworkError::new(&error)))?;
        result.map_err(|error| RPCError::RemoteError(RemoteError::new(self.target, error)))
    }
}

impl RaftNetwork<TypeConfig> for Connection {
    async fn append_entries(
        &mut self,
        request: AppendEntriesRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<AppendEntriesResponse<RaftId>, Failure<RaftError<RaftId>>> {
        self.call(&request, &option, |mut client, message| async move { client.append(message).await }).await
    }

    async fn install_snapshot(
        &mut self,
        request: InstallSnapshotRequest<TypeConfig>,
        option: RPCOption,
    ) -> Result<InstallSnapshotResponse<RaftId>, Failure<RaftError<RaftId, InstallSnapshotError>>> {
        self.call(
            &request,
            &option,
            |mut client, message| async move { client.install_snapshot(message).await },
        )
        .await
    }

    async fn vote(
        &mut self,
        request: VoteRequest<RaftId>,
        option: RPCOption,
    ) -> Result<VoteResponse<RaftId>, Failure<RaftError<RaftId>>> {
        self.call(&request, &option, |mut client, message| async move { client.vote(message).await }).await
    }
}
