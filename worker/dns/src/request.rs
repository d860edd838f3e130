//! What a container asks, taken from the wire.

use hickory_proto::op::{Edns, Header, Message, MessageType, Metadata, OpCode, Query, ResponseCode};
use hickory_proto::rr::{DNSClass, RecordType};
use hickory_proto::serialize::binary::{BinDecodable, BinDecoder};
use worker_core::dns::{Kind, Question, udp_limit};

/// The longest query that is read, in bytes; there is no reason for one to be as long.
pub(crate) const QUERY_MAX: usize = 4096;

/// The most records beside the question: EDNS and a signature.
const ADDITIONALS_MAX: u16 = 2;

/// A query with one question.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) metadata: Metadata,
    pub(crate) query: Query,
    pub(crate) edns: Option<Edns>,
}

/// What is not a query that can be answered.
#[derive(Debug)]
pub(crate) enum Unfit {
    /// Too short to have a header, or no query: an answer could start an endless exchange.
    Noise,
    /// A query, but the answer is an error.
    Refused {
        /// The query's header.
        metadata: Metadata,
        /// The question, if it could be read.
        query: Option<Query>,
        /// The error.
        code: ResponseCode,
    },
}

impl Request {
    /// Reads a message.
    pub(crate) fn read(packet: &[u8]) -> Result<Self, Unfit> {
        let mut decoder = BinDecoder::new(packet);
        let Header { metadata, counts, .. } = Header::read(&mut decoder).map_err(|_| Unfit::Noise)?;
        if metadata.message_type != MessageType::Query {
            return Err(Unfit::Noise);
        }
        let refused = |query, code| Unfit::Refused { metadata, query, code };
        if metadata.op_code != OpCode::Query {
            return Err(refused(None, ResponseCode::NotImp));
        }
        // Before anything is read: the decoder makes room for as many as are announced.
        let shape = (counts.queries, counts.answers, counts.authorities);
        if shape != (1, 0, 0) || counts.additionals > ADDITIONALS_MAX {
            return Err(refused(None, ResponseCode::FormErr));
        }
        let query = Query::read(&mut decoder).map_err(|_| refused(None, ResponseCode::FormErr))?;
        let additionals = usize::from(counts.additionals);
        let Ok((_, edns, _)) = Message::read_records(&mut decoder, additionals, true, metadata.op_code)
        else {
            return Err(refused(Some(query), ResponseCode::FormErr));
        };
        let transfer = matches!(query.query_type, RecordType::AXFR | RecordType::IXFR);
        if query.query_class != DNSClass::IN || transfer {
            return Err(refused(Some(query), ResponseCode::Refused));
        }
        if edns.as_ref().is_some_and(|edns| edns.version() != 0) {
            return Err(refused(Some(query), ResponseCode::BADVERS));
        }
        Ok(Self { metadata, query, edns })
    }

    /// The question as the rules need it; `None` if its name can be none of ours.
    pub(crate) fn question(&self) -> Option<Question> {
        let kind = match self.query.query_type {
            RecordType::A => Kind::Ipv4,
            RecordType::AAAA => Kind::Ipv6,
            RecordType::PTR => Kind::Pointer,
            RecordType::SRV => Kind::Service,
            RecordType::ANY => Kind::Any,
            _ => Kind::Other,
        };
        Question::new(self.query.name.iter(), kind)
    }

    /// How much the client takes over UDP, in bytes.
    pub(crate) fn udp_limit(&self) -> u16 {
        udp_limit(self.edns.as_ref().map(Edns::max_payload))
    }
}
