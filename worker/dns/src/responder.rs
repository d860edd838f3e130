//! What becomes of a message from a container: an answer at once, or a relay.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use hickory_proto::op::ResponseCode;
use tokio::sync::watch;
use worker_core::dns::{Answer, Names, Record};

use crate::prepared::Prepared;
use crate::reply;
use crate::request::{Request, Unfit};

/// How long an answer may be over TCP, in bytes: its length is sent in 16 bits.
const TCP_LIMIT: usize = u16::MAX as usize;

/// How long a message's header is, in bytes.
const HEADER: usize = 12;

/// What a question has beside its labels: the root's, type and class, in bytes.
const QUESTION_REST: usize = 5;

/// How long a record with an IPv4 address is that refers to the question for its name, in bytes.
const RECORD_IPV4: usize = 16;

/// The same with an IPv6 address.
const RECORD_IPV6: usize = 28;

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
    Reply(Reuse),
    /// Ask an upstream server.
    Relay(Request),
    /// Nothing.
    Ignore,
}

/// Whether an answer may be given to the same query again, as long as the names do not change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reuse {
    /// It may not.
    Never,
    /// It may, as it is.
    AsItIs,
    /// It may, with its records in another order.
    InTurns {
        /// How many records it has.
        count: usize,
        /// How long each of them is, in bytes.
        each: usize,
        /// How much follows them, in bytes.
        behind: usize,
    },
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

    /// A memory for answers of this one.
    pub(crate) fn prepared(&self) -> Prepared {
        Prepared::new(self.names.clone())
    }

    /// The number of one more query, as in [`Names::answer`].
    pub(crate) fn turn(&self) -> u64 {
        scattered(self.asked.fetch_add(1, Ordering::Relaxed))
    }

    /// Takes a message; an answer is written to `out`.
    pub(crate) fn take(&self, packet: &[u8], transport: Transport, out: &mut Vec<u8>) -> Next {
        let (written, reuse) = match Request::read(packet) {
            Ok(request) => match self.answer(&request) {
                Answer::Records(records) => {
                    let limit = limit(&request, transport);
                    (reply::records(&request, &records, limit, out), reuse(&request, &records))
                }
                Answer::NoData => (without_records(&request, ResponseCode::NoError, out), plain(&request)),
                Answer::NoSuchName => {
                    (without_records(&request, ResponseCode::NXDomain, out), plain(&request))
                }
                Answer::NotYet => (without_records(&request, ResponseCode::ServFail, out), Reuse::Never),
                Answer::Forward => return Next::Relay(request),
            },
            Err(Unfit::Noise) => (false, Reuse::Never),
            Err(Unfit::Refused { metadata, query, code }) => {
                (reply::code(&metadata, query.as_ref(), None, code, out), Reuse::Never)
            }
        };
        if written { Next::Reply(reuse) } else { Next::Ignore }
    }

    fn answer(&self, request: &Request) -> Answer {
        let Some(question) = request.question() else { return Answer::Forward };
        let names = Arc::clone(&self.names.borrow());
        names.answer(&question, self.turn())
    }
}

/// How answers without records, or with one, are given again. Options in a query may differ each time: to keep what
/// belongs to them would be in vain.
fn plain(request: &Request) -> Reuse {
    let has_options = request.edns.as_ref().is_some_and(|edns| !edns.options().as_ref().is_empty());
    if has_options { Reuse::Never } else { Reuse::AsItIs }
}

/// How an answer with these records is given again. Of one that is cut each client is to see another part.
fn reuse(request: &Request, records: &[Record]) -> Reuse {
    let each = match records {
        [_] => return plain(request),
        [Record::Address(IpAddr::V4(_)), ..] => RECORD_IPV4,
        [Record::Address(IpAddr::V6(_)), ..] => RECORD_IPV6,
        _ => return Reuse::Never,
    };
    let behind = if request.edns.is_some() { reply::EDNS } else { 0 };
    let question = request.query.name.len() + QUESTION_REST;
    let is_cut = HEADER + question + records.len() * each + behind > usize::from(request.udp_limit());
    match plain(request) {
        Reuse::AsItIs if !is_cut => Reuse::InTurns { count: records.len(), each, behind },
        _ => Reuse::Never,
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

#[cfg(test)]
#[path = "prepared_tests.rs"]
mod prepared_tests;
