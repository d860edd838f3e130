//! Receiving openraft's messages from other managers.

use super::{Raft, network::MESSAGE_BYTES_MAX};
use proto::wire::{RaftMessage, raft_server};
use serde::{Serialize, de::DeserializeOwned};
use tonic::{Request, Response, Status};

/// Hands the messages of other managers to openraft.
pub struct RaftService {
    raft: Raft,
}

impl RaftService {
    /// The service for a listener.
    pub fn server(raft: Raft) -> raft_server::RaftServer<Self> {
        raft_server::RaftServer::new(Self { raft })
            .max_decoding_message_size(MESSAGE_BYTES_MAX)
            .max_encoding_message_size(MESSAGE_BYTES_MAX)
    }
}

#[tonic::async_trait]
impl raft_server::Raft for RaftService {
    async fn append(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        answer(&self.raft.append_entries(decode(request)?).await)
    }

    async fn vote(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        answer(&self.raft.vote(decode(request)?).await)
    }

    async fn install_snapshot(&self, request: Request<RaftMessage>) -> Result<Response<RaftMessage>, Status> {
        answer(&self.raft.install_snapshot(decode(request)?).await)
    }
}

fn decode<T: DeserializeOwned>(request: Request<RaftMessage>) -> Result<T, Status> {
    rmp_serde::from_slice(&request.into_inner().payload).map_err(|error| {
        Status::invalid_argument(format!("cannot read the message of another manager: {error}"))
    })
}

fn answer<T: Serialize, E: Serialize>(result: &Result<T, E>) -> Result<Response<RaftMessage>, Status> {
    let payload = rmp_serde::to_vec_named(result)
        .map_err(|error| Status::internal(format!("cannot write an answer to another manager: {error}")))?;
    Ok(Response::new(RaftMessage { payload }))
}
