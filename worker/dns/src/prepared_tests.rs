//! Answers from memory, compared with those that are worked out.

use std::collections::BTreeSet;

use hickory_proto::op::Message;
use hickory_proto::rr::RecordType;
use proptest::prelude::*;
use tokio::sync::watch;

use super::tests::{names, query, with_edns};
use super::*;
use crate::prepared::Prepared;

/// What a container is told, by a server that remembers.
struct Container {
    responder: Responder,
    prepared: Prepared,
    names: watch::Sender<Arc<Names>>,
}

impl Container {
    fn new() -> Self {
        let names = watch::Sender::new(names(3));
        let responder = Responder::new(names.subscribe());
        Self { prepared: responder.prepared(), responder, names }
    }

    /// The answer, and whether it was there already.
    fn ask(&mut self, packet: &[u8], turn: u64) -> (Option<Vec<u8>>, bool) {
        let mut out = Vec::new();
        if self.prepared.answer(packet, turn, &mut out) {
            return (Some(out), true);
        }
        match self.responder.take(packet, Transport::Udp, &mut out) {
            Next::Reply(reuse) => {
                self.prepared.keep(packet, &out, reuse);
                (Some(out), false)
            }
            Next::Relay(_) | Next::Ignore => (None, false),
        }
    }
}

fn packet(name: &str, kind: RecordType) -> Vec<u8> {
    query(name, kind).to_vec().unwrap()
}

/// An answer with its records sorted, since they take turns.
fn sorted(answer: &[u8]) -> Message {
    let mut message = Message::from_vec(answer).unwrap();
    message.answers.sort_by_key(|record| record.to_string());
    message
}

#[test]
fn what_was_asked_before_is_answered_alike_under_the_new_id() {
    let mut container = Container::new();
    for (name, kind) in [
        ("web.", RecordType::A),
        ("1.web.front.", RecordType::A),
        ("web.", RecordType::AAAA),
        ("9.web.", RecordType::A),
        ("2.1.0.10.in-addr.arpa.", RecordType::PTR),
    ] {
        for packet in [packet(name, kind), with_edns(query(name, kind), 1232).to_vec().unwrap()] {
            let (first, was_there) = container.ask(&packet, 0);
            assert!(!was_there, "{name}");
            let mut again = packet.clone();
            again[..2].copy_from_slice(&[0xab, 0xcd]);
            let (second, was_there) = container.ask(&again, 0);
            let (mut first, second) = (first.unwrap(), second.unwrap());
            first[..2].copy_from_slice(&[0xab, 0xcd]);
            assert!(was_there, "{name}");
            assert_eq!(sorted(&second), sorted(&first), "{name}");
        }
    }
}

#[test]
fn tasks_take_turns_in_answers_that_were_there() {
    let mut container = Container::new();
    let packet = with_edns(query("web.", RecordType::A), 1232).to_vec().unwrap();
    container.ask(&packet, 0);
    let first = |turn| {
        let (answer, was_there) = container.ask(&packet, turn);
        assert!(was_there);
        let answer = Message::from_vec(&answer.unwrap()).unwrap();
        assert_eq!((answer.answers.len(), answer.edns.is_some()), (3, true));
        answer.answers[0].data.to_string()
    };
    let firsts: BTreeSet<String> = (0..3).map(first).collect();
    assert_eq!(firsts.len(), 3, "{firsts:?}");
}

#[test]
fn new_names_are_answered_at_once() {
    let mut container = Container::new();
    let asked = packet("web.", RecordType::A);
    container.ask(&asked, 0);
    container.names.send_replace(names(2));
    let (answer, was_there) = container.ask(&asked, 0);
    assert_eq!((Message::from_vec(&answer.unwrap()).unwrap().answers.len(), was_there), (2, false));
    assert!(container.ask(&asked, 0).1);
}

#[test]
fn what_is_cut_or_weighed_is_worked_out_each_time() {
    let mut container = Container::new();
    container.names.send_replace(names(100));
    for asked in [packet("web.", RecordType::A), packet("_80._tcp.web.", RecordType::SRV)] {
        container.ask(&asked, 0);
        assert!(!container.ask(&asked, 0).1);
    }
}

#[test]
fn whoever_asks_for_ever_new_things_does_not_fill_the_memory() {
    let mut container = Container::new();
    let mut forgotten = false;
    let first = packet("0.web.", RecordType::A);
    container.ask(&first, 0);
    for slot in 1..4000 {
        container.ask(&packet(&format!("{slot}.web."), RecordType::A), 0);
        forgotten |= container.prepared.len() < slot;
    }
    assert!(forgotten && !container.ask(&first, 0).1);
}

proptest! {
    #[test]
    fn what_is_remembered_is_what_would_be_worked_out(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        length in prop::option::of(any::<prop::sample::Index>()),
        kind in prop::sample::select(vec![RecordType::A, RecordType::AAAA, RecordType::ANY, RecordType::SRV]),
    ) {
        let mut container = Container::new();
        let mut packet = with_edns(query("tasks.web.front.", kind), 1232).to_vec().unwrap();
        for (place, byte) in changes {
            let place = place.index(packet.len());
            packet[place] = byte;
        }
        if let Some(length) = length {
            packet.truncate(length.index(packet.len() + 1));
        }
        let (first, _) = container.ask(&packet, 1);
        let (second, _) = container.ask(&packet, 2);
        prop_assert_eq!(first.as_deref().map(sorted), second.as_deref().map(sorted));
    }
}
