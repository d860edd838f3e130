//! Answers, put on the wire.

use hickory_proto::ProtoError;
use hickory_proto::op::{Edns, Message, MessageType, Metadata, Query, ResponseCode};
use hickory_proto::rr::rdata::{PTR, SRV};
use hickory_proto::rr::{Name, RData, Record};
use hickory_proto::serialize::binary::{BinEncodable, BinEncoder};
use tracing::warn;
use worker_core::dns::{self, TTL, UDP_MAX, records_that_fit};

use crate::request::Request;

/// How long our EDNS record is, in bytes.
pub(crate) const EDNS: usize = 11;

/// The weight of each of a service's ports (RFC 2782): they are all the same, and 0 would be for "do not
/// choose".
const WEIGHT: u16 = 1;

/// Writes an answer with our own records, cut to what fits into `limit` bytes; false if there is none to be
/// sent.
pub(crate) fn records(request: &Request, found: &[dns::Record], limit: usize, out: &mut Vec<u8>) -> bool {
    let mut message = response(&request.metadata, Some(&request.query), request.edns.as_ref());
    message.metadata.authoritative = true;
    let written = found
        .iter()
        .map(|record| Ok(Record::from_rdata(request.query.name.clone(), TTL, data(record)?)))
        .collect::<Result<Vec<_>, ProtoError>>()
        .and_then(|answers| {
            message.answers = answers;
            fit(&mut message, limit, out)
        });
    sendable(written)
}

/// Writes an answer that has no records; false if there is none to be sent.
pub(crate) fn code(
    metadata: &Metadata,
    query: Option<&Query>,
    edns: Option<&Edns>,
    code: ResponseCode,
    out: &mut Vec<u8>,
) -> bool {
    let mut message = response(metadata, query, edns);
    // No SOA record goes with it, so nobody keeps it: the name may be there in a moment.
    message.metadata.authoritative = code == ResponseCode::NXDomain || code == ResponseCode::NoError;
    message.metadata.response_code = code;
    if code.high() > 0 && message.edns.is_none() {
        message.set_edns(our_edns());
    }
    sendable(write(&message, out))
}

/// Writes an answer that says no more than that the client has to come back over TCP; false if there is none
/// to be sent.
pub(crate) fn truncated(request: &Request, out: &mut Vec<u8>) -> bool {
    let mut message = response(&request.metadata, Some(&request.query), request.edns.as_ref());
    message.metadata.truncation = true;
    sendable(write(&message, out))
}

fn response(metadata: &Metadata, query: Option<&Query>, edns: Option<&Edns>) -> Message {
    let mut message = Message::new(metadata.id, MessageType::Response, metadata.op_code);
    message.metadata.recursion_desired = metadata.recursion_desired;
    message.metadata.recursion_available = true;
    message.metadata.checking_disabled = metadata.checking_disabled;
    message.queries.extend(query.cloned());
    message.edns = edns.map(|_| our_edns());
    message
}

fn our_edns() -> Edns {
    let mut edns = Edns::new();
    edns.set_max_payload(UDP_MAX);
    edns
}

fn data(record: &dns::Record) -> Result<RData, ProtoError> {
    // Not from text, where a dot or an underscore could mean something else.
    let name = |name: &str| Name::from_labels(name.split('.').map(str::as_bytes));
    Ok(match record {
        dns::Record::Address(address) => RData::from(*address),
        dns::Record::Pointer(target) => RData::PTR(PTR(name(target)?)),
        dns::Record::Service { port, target } => RData::SRV(SRV::new(0, WEIGHT, *port, name(target)?)),
    })
}

/// Writes a message, and if it is too long, as much of it as fits.
fn fit(message: &mut Message, limit: usize, out: &mut Vec<u8>) -> Result<(), ProtoError> {
    write(message, out)?;
    let whole = out.len();
    if whole <= limit {
        return Ok(());
    }
    let mut answers = std::mem::take(&mut message.answers);
    message.metadata.truncation = true;
    write(message, out)?;
    answers.truncate(records_that_fit(answers.len(), whole, out.len(), limit));
    message.answers = answers;
    write(message, out)?;
    if out.len() > limit {
        message.answers.clear();
        write(message, out)?;
    }
    Ok(())
}

fn write(message: &Message, out: &mut Vec<u8>) -> Result<(), ProtoError> {
    out.clear();
    message.emit(&mut BinEncoder::new(out))
}

fn sendable(written: Result<(), ProtoError>) -> bool {
    if let Err(error) = &written {
        warn!(%error, "cannot write an answer to a name query");
    }
    written.is_ok()
}
