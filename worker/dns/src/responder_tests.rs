//! Messages of containers and what is made of them, without sockets.

use hickory_proto::op::{Edns, Message, MessageType, OpCode, Query};
use hickory_proto::rr::{DNSClass, Name, RData, RecordType};
use proptest::prelude::*;
use proto::model::{
    EndpointState, Id, Ipv4Pool, NetworkEndpoint, NetworkInfo, NetworkService, NetworkTable, PortProtocol,
    PublishedPort, SlotKey,
};
use std::num::NonZeroU16;
use worker_core::dns::Zone;

use super::*;

/// A container in the network `front` with `web`, which has 100 tasks and no virtual address.
fn responder() -> Responder {
    let (_, names) = watch::channel(names(100));
    Responder::new(names)
}

/// The names of `front`, where `web` has so many tasks.
pub(super) fn names(tasks: u32) -> Arc<Names> {
    let subnet = "10.0.1.0/24".parse().unwrap();
    let info = NetworkInfo {
        id: Id::from_bits(1),
        name: "front".parse().unwrap(),
        vni: 4096,
        ipv4: Ipv4Pool { subnet, gateway: "10.0.1.1".parse().unwrap(), range: subnet },
        ipv6: None,
        mtu: None,
        internal: false,
        ingress: false,
        kind: Default::default(),
    };
    let endpoint = |number| NetworkEndpoint {
        slot: SlotKey::Replica(number),
        number: number + 1,
        node: Id::from_bits(9),
        state: EndpointState::Serving,
    };
    let port = NonZeroU16::new(80).unwrap();
    let web = NetworkService {
        id: Id::from_bits(2),
        name: "web".parse().unwrap(),
        aliases: Default::default(),
        vip: None,
        ports: vec![PublishedPort::ingress(PortProtocol::Tcp, port, port)],
        endpoints: (1..=tasks).map(|number| (Id::from_bits(number.into()), endpoint(number))).collect(),
        by_hand: Default::default(),
    };
    let mut table = NetworkTable::new(info);
    table.services.insert_mut(web.id, web);
    Arc::new(Names::new(vec![Arc::new(Zone::new(&table))]))
}

pub(super) fn query(name: &str, kind: RecordType) -> Message {
    let mut message = Message::new(0x1234, MessageType::Query, OpCode::Query);
    message.metadata.recursion_desired = true;
    message.add_query(Query::query(Name::from_ascii(name).unwrap(), kind));
    message
}

pub(super) fn with_edns(mut message: Message, size: u16) -> Message {
    message.set_edns(Edns::new()).edns.as_mut().unwrap().set_max_payload(size);
    message
}

/// The answer to a message over UDP and its length.
fn answered(message: &Message) -> (Message, usize) {
    let mut out = Vec::new();
    let next = responder().take(&message.to_vec().unwrap(), Transport::Udp, &mut out);
    assert!(matches!(next, Next::Reply(_)), "{next:?}");
    (Message::from_vec(&out).unwrap(), out.len())
}

#[test]
fn an_answer_repeats_id_and_question_as_they_were_spelled() {
    let asked = query("1.WeB.Front.", RecordType::A);
    let (answer, _) = answered(&asked);
    assert_eq!(answer.metadata.id, 0x1234);
    assert_eq!(answer.metadata.message_type, MessageType::Response);
    assert!(answer.metadata.authoritative && answer.metadata.recursion_desired);
    assert_eq!(answer.queries[0].name.to_string(), "1.WeB.Front.");
    assert_eq!(answer.answers[0].name.to_string(), "1.WeB.Front.");
    assert_eq!(answer.answers[0].data, RData::from("10.0.1.2".parse::<std::net::IpAddr>().unwrap()));
    assert!(answer.answers[0].ttl <= 5);
}

#[test]
fn an_answer_that_is_too_long_is_cut_and_marked() {
    let (plain, length) = answered(&query("web.", RecordType::A));
    assert!(plain.metadata.truncation && length <= 512, "{length} bytes");
    assert_eq!(plain.answers.len(), 30, "what fits is sent");
    let (some, length) = answered(&with_edns(query("web.", RecordType::A), 1232));
    assert!(some.metadata.truncation && length <= 1232, "{length} bytes");
    assert!(some.edns.is_some());
    let (whole, _) = answered(&with_edns(query("web.", RecordType::A), 4096));
    assert_eq!((whole.metadata.truncation, whole.answers.len()), (false, 100));
}

#[test]
fn records_of_different_lengths_are_cut_too() {
    for size in 512..700 {
        let (answer, length) = answered(&with_edns(query("_80._tcp.web.", RecordType::SRV), size));
        assert!(answer.metadata.truncation && length <= usize::from(size), "{length} bytes of {size}");
        assert!(!answer.answers.is_empty());
    }
}

#[test]
fn pointers_and_ports_have_names_in_them() {
    let (pointer, _) = answered(&query("2.1.0.10.in-addr.arpa.", RecordType::PTR));
    let RData::PTR(target) = &pointer.answers[0].data else { panic!("{:?}", pointer.answers) };
    let task: proto::model::TaskId = Id::from_bits(1);
    assert_eq!(target.0.to_string(), format!("web.1.{task}.front."));
    let (port, _) = answered(&query("_80._tcp.web.", RecordType::SRV));
    let RData::SRV(service) = &port.answers[0].data else { panic!("{:?}", port.answers) };
    assert_eq!(service.port, 80);
    assert!(service.target.to_string().ends_with(".web.front."));
}

#[test]
fn what_is_there_without_such_a_record_differs_from_what_is_not_there() {
    let (no_data, _) = answered(&query("web.", RecordType::AAAA));
    assert_eq!((no_data.metadata.response_code, no_data.answers.len()), (ResponseCode::NoError, 0));
    let (nobody, _) = answered(&query("101.web.", RecordType::A));
    assert_eq!(nobody.metadata.response_code, ResponseCode::NXDomain);
}

#[test]
fn what_cannot_be_answered_is_refused_by_name() {
    let mut chaos = query("version.bind.", RecordType::TXT);
    chaos.queries[0].set_query_class(DNSClass::CH);
    let mut future = with_edns(query("web.", RecordType::A), 4096);
    future.edns.as_mut().unwrap().set_version(1);
    let mut update = query("web.", RecordType::A);
    update.metadata.op_code = OpCode::Update;
    let mut two = query("web.", RecordType::A);
    two.add_query(Query::query(Name::from_ascii("db.").unwrap(), RecordType::A));
    let table = [
        (chaos, ResponseCode::Refused),
        (query("web.", RecordType::AXFR), ResponseCode::Refused),
        (future, ResponseCode::BADVERS),
        (update, ResponseCode::NotImp),
        (two, ResponseCode::FormErr),
    ];
    for (message, code) in table {
        // By number: 16 has two names.
        let answered = answered(&message).0.metadata.response_code;
        assert_eq!(u16::from(answered), u16::from(code), "{message}");
    }
}

#[test]
fn a_question_that_ends_too_early_is_malformed() {
    let whole = query("web.", RecordType::A).to_vec().unwrap();
    let mut out = Vec::new();
    assert!(matches!(responder().take(&whole[..14], Transport::Udp, &mut out), Next::Reply(_)));
    assert_eq!(Message::from_vec(&out).unwrap().metadata.response_code, ResponseCode::FormErr);
    assert!(matches!(responder().take(&whole[..11], Transport::Udp, &mut out), Next::Ignore));
}

#[test]
fn an_answer_is_never_answered() {
    let mut answer = query("web.", RecordType::A);
    answer.metadata.message_type = MessageType::Response;
    let packet = answer.to_vec().unwrap();
    assert!(matches!(responder().take(&packet, Transport::Udp, &mut Vec::new()), Next::Ignore));
}

#[test]
fn other_names_are_relayed() {
    for name in ["example.com.", "printer.", "."] {
        let packet = query(name, RecordType::A).to_vec().unwrap();
        let next = responder().take(&packet, Transport::Udp, &mut Vec::new());
        assert!(matches!(next, Next::Relay(_)), "{name}");
    }
}

/// Takes bytes as a message; whatever is answered has to be a message with the same id, within the limit.
fn survives(packet: &[u8]) -> Result<(), TestCaseError> {
    let mut out = Vec::new();
    if let Next::Reply(_) = responder().take(packet, Transport::Udp, &mut out) {
        let answer = Message::from_vec(&out).unwrap();
        prop_assert_eq!(answer.metadata.id.to_be_bytes().to_vec(), packet[..2].to_vec());
        prop_assert!(out.len() <= 4096);
    }
    Ok(())
}

proptest! {
    #[test]
    fn any_bytes_are_survived(packet in prop::collection::vec(any::<u8>(), 0..600)) {
        survives(&packet)?;
    }

    #[test]
    fn damaged_queries_are_survived(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..6),
        tail in prop::collection::vec(any::<u8>(), 0..40),
        length in any::<prop::sample::Index>(),
    ) {
        let mut packet = with_edns(query("_80._tcp.web.front.", RecordType::SRV), 700).to_vec().unwrap();
        for (place, byte) in changes {
            let place = place.index(packet.len());
            packet[place] = byte;
        }
        packet.extend(tail);
        packet.truncate(length.index(packet.len() + 1));
        survives(&packet)?;
    }
}
