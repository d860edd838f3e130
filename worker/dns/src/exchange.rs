//! One query to one upstream server, and its answer.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use hickory_proto::op::{Edns, Header, Message, MessageType, Query, ResponseCode};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use thiserror::Error;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpSocket, UdpSocket};
use worker_core::dns::{UDP_PLAIN, UDP_RELAYED};

use crate::origin::Origin;
use crate::request::Request;

/// Why a query could not be put to a server.
#[derive(Debug, Error)]
pub(crate) enum ExchangeError {
    /// No random number for the query's id.
    #[error("the system gives no random numbers: {0}")]
    Random(getrandom::Error),
    /// The query cannot be written.
    #[error("cannot write a query for an upstream server")]
    Write(#[source] hickory_proto::ProtoError),
    /// The server cannot be reached.
    #[error("cannot exchange with the name server {server}")]
    Network {
        /// The server.
        server: SocketAddr,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The server said nothing in time.
    #[error("the name server {server} did not answer within {} ms", within.as_millis())]
    Silent {
        /// The server.
        server: SocketAddr,
        /// How long it had.
        within: Duration,
    },
    /// The server answered something else, over TCP, where nobody else can have sent it.
    #[error("the name server {server} answered another question")]
    Mismatch {
        /// The server.
        server: SocketAddr,
    },
}

/// An answer as it came from a server, still with our id.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) bytes: Vec<u8>,
    pub(crate) truncated: bool,
    /// Whether the server could not say anything, and another one perhaps can.
    pub(crate) failed: bool,
}

/// A query written anew for upstream servers.
#[derive(Debug)]
pub(crate) struct Outgoing {
    id: u16,
    query: Query,
    bytes: Vec<u8>,
    /// How much a server may send over UDP, in bytes.
    pub(crate) udp_limit: u16,
}

impl Outgoing {
    /// Writes the question of a request under an id that nobody can guess. Only what a resolver needs goes
    /// with it, no options.
    pub(crate) fn new(request: &Request) -> Result<Self, ExchangeError> {
        let id = getrandom::u32().map_err(ExchangeError::Random)? as u16;
        let mut message = Message::query();
        message.metadata.id = id;
        message.metadata.recursion_desired = request.metadata.recursion_desired;
        message.metadata.checking_disabled = request.metadata.checking_disabled;
        message.metadata.authentic_data = request.metadata.authentic_data;
        message.add_query(request.query.clone());
        let udp_limit = match &request.edns {
            Some(_) => request.udp_limit().min(UDP_RELAYED),
            None => UDP_PLAIN,
        };
        if let Some(asked) = &request.edns {
            let mut edns = Edns::new();
            edns.set_max_payload(udp_limit).set_dnssec_ok(asked.flags().dnssec_ok);
            message.set_edns(edns);
        }
        let bytes = message.to_vec().map_err(ExchangeError::Write)?;
        Ok(Self { id, query: request.query.clone(), bytes, udp_limit })
    }

    /// Asks over UDP, from a port that the kernel draws at random; waits until the right answer comes,
    /// however long.
    pub(crate) async fn over_udp(&self, origin: &Origin, server: SocketAddr) -> Result<Reply, ExchangeError> {
        let failed = |source| ExchangeError::Network { server, source };
        let socket = origin.udp(server).await.map_err(failed)?;
        let socket = UdpSocket::from_std(socket).map_err(failed)?;
        socket.connect(server).await.map_err(failed)?;
        socket.send(&self.bytes).await.map_err(failed)?;
        // One byte more than was asked for shows that a server sent too much.
        let mut inbox = vec![0; usize::from(self.udp_limit) + 1];
        loop {
            let length = socket.recv(&mut inbox).await.map_err(failed)?;
            if let Some(reply) = self.check(&inbox[..length]) {
                return Ok(reply);
            }
        }
    }

    /// Asks over TCP.
    pub(crate) async fn over_tcp(&self, origin: &Origin, server: SocketAddr) -> Result<Reply, ExchangeError> {
        let failed = |source| ExchangeError::Network { server, source };
        let socket: TcpSocket = origin.tcp(server).await.map_err(failed)?;
        let mut stream = socket.connect(server).await.map_err(failed)?;
        let length = u16::try_from(self.bytes.len()).expect("a query has one question");
        let framed = [length.to_be_bytes().as_slice(), &self.bytes].concat();
        stream.write_all(&framed).await.map_err(failed)?;
        let length = stream.read_u16().await.map_err(failed)?;
        let mut answer = vec![0; usize::from(length)];
        stream.read_exact(&mut answer).await.map_err(failed)?;
        self.check(&answer).ok_or(ExchangeError::Mismatch { server })
    }

    /// Takes an answer if it is one to this query.
    fn check(&self, bytes: &[u8]) -> Option<Reply> {
        let mut decoder = BinDecoder::new(bytes);
        let Header { metadata, counts, .. } = Header::read(&mut decoder).ok()?;
        if metadata.id != self.id || metadata.message_type != MessageType::Response {
            return None;
        }
        let code = metadata.response_code;
        let failed = !matches!(code, ResponseCode::NoError | ResponseCode::NXDomain);
        let about_this = match counts.queries {
            // Servers that do not understand a query may leave the question out of their answer.
            0 => failed,
            1 => Query::read(&mut decoder).is_ok_and(|query| query == self.query),
            _ => false,
        };
        about_this.then(|| Reply { bytes: bytes.to_owned(), truncated: metadata.truncation, failed })
    }
}

#[cfg(test)]
mod tests {
    use hickory_proto::op::OpCode;
    use hickory_proto::rr::{Name, RecordType};
    use proptest::prelude::*;

    use super::*;

    fn outgoing() -> Outgoing {
        let mut message = Message::new(7, MessageType::Query, OpCode::Query);
        message.add_query(Query::query(Name::from_ascii("example.com.").unwrap(), RecordType::A));
        Outgoing::new(&Request::read(&message.to_vec().unwrap()).unwrap()).unwrap()
    }

    fn answer(outgoing: &Outgoing) -> Message {
        Message::from_vec(&outgoing.bytes).unwrap().into_response()
    }

    #[test]
    fn only_an_answer_to_the_query_is_taken() {
        let outgoing = outgoing();
        let right = answer(&outgoing);
        assert!(outgoing.check(&right.to_vec().unwrap()).is_some_and(|reply| !reply.failed));
        let mut other_id = right.clone();
        other_id.metadata.id = !outgoing.id;
        let mut other_name = right.clone();
        other_name.queries[0].set_name(Name::from_ascii("evil.com.").unwrap());
        let mut other_type = right.clone();
        other_type.queries[0].set_query_type(RecordType::AAAA);
        let mut empty = right.clone();
        empty.queries.clear();
        for wrong in [other_id, other_name, other_type, empty] {
            assert!(outgoing.check(&wrong.to_vec().unwrap()).is_none(), "{wrong}");
        }
        assert!(outgoing.check(&outgoing.bytes).is_none(), "its own echo");
    }

    #[test]
    fn a_server_that_does_not_understand_has_failed() {
        let outgoing = outgoing();
        let mut wrong = answer(&outgoing);
        wrong.queries.clear();
        wrong.metadata.response_code = ResponseCode::FormErr;
        assert!(outgoing.check(&wrong.to_vec().unwrap()).is_some_and(|reply| reply.failed));
    }

    proptest! {
        #[test]
        fn any_answer_is_survived(bytes in prop::collection::vec(any::<u8>(), 0..600)) {
            let outgoing = outgoing();
            let with_id = [&outgoing.id.to_be_bytes(), bytes.as_slice()].concat();
            outgoing.check(&with_id);
        }
    }
}
