//! What becomes of a message from a container: an answer at once, or a relay.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hickory_proto::op::ResponseCode;
use tokio::sync::watch;
use worker_core::dns::{Answer, Names};

use crate::reply;
use crate::request::{Request, Unfit};

/// How long an answer may be over TCP, in bytes: its length is sent in 16 bits.
const TCP_LIMIT: usize = u16::MAX as usize;

/// How a message came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Transport {
    Udp,
    Tcp,
}

/// What is to be done about a message.
#[derive(Debug)]
pub(crate) enum Next {
    /// Send the answer that was written.
    Reply,
    /// Ask an upstream server.
    Relay(Request),
    /// Nothing.
    Ignore,
}

/// Answers from the names that the container has at the moment.
#[derive(Debug)]
pub(crate) struct Responder {
    names: watch::Receiver<Arc<Names>>,
    asked: AtomicU64,
}

impl Responder {
    pub(crate) fn new(names: watch::Receiver<Arc<Names>>) -> Self {
        Self { names, asked: AtomicU64::new(0) }
    }

    /// Takes a message; an answer is written to `out`.
    pub(crate) fn take(&self, packet: &[u8], transport: Transport, out: &mut Vec<u8>) -> Next {
        let written = match Request::read(packet) {
            Ok(request) => match self.answer(&request) {
                Answer::Records(records) => {
                    reply::records(&request, &records, limit(&request, transport), out)
                }
                Answer::NoData => without_records(&request, ResponseCode::NoError, out),
                Answer::NoSuchName => without_records(&request, ResponseCode::NXDomain, out),
                Answer::Forward => return Next::Relay(request),
            },
            Err(Unfit::Noise) => false,
            Err(Unfit::Refused { metadata, query, code }) => {
                reply::code(&metadata, query.as_ref(), None, code, out)
            }
        };
        if written { Next::Reply } else { Next::Ignore }
    }

    fn answer(&self, request: &Request) -> Answer {
        let Some(question) = request.question() else { return Answer::Forward };
        let turn = scattered(self.asked.fetch_add(1, Ordering::Relaxed));
        let names = Arc::clone(&self.names.borrow());
        names.answer(&question, turn)
    }
}

/// How long an answer may be, in bytes.
pub(crate) fn limit(request: &Request, transport: Transport) -> usize {
    match transport {
        Transport::Udp => usize::from(request.udp_limit()),
        Transport::Tcp => TCP_LIMIT,
    }
}

/// Writes an answer without records to a whole request; false if there is none to be sent.
pub(crate) fn without_records(request: &Request, code: ResponseCode, out: &mut Vec<u8>) -> bool {
    reply::code(&request.metadata, Some(&request.query), request.edns.as_ref(), code, out)
}

/// SplitMix64. Counting on would do harm: clients ask for IPv4 and IPv6 in turn, and each would see half of
/// the tasks first.
fn scattered(count: u64) -> u64 {
    let mut bits = count.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
    bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    bits ^ (bits >> 31)
}

#[cfg(test)]
#[path = "responder_tests.rs"]
mod tests;
