//! Changes elements of nft sets and maps over netlink, in one transaction: starting the nft program takes many times as long.

use std::io;

use netlink_packet_core::{NLM_F_ACK, NLM_F_CREATE};
use worker_core::overlay::{Element, ElementChange};

use crate::nft_dump::{Dump, Part};
use crate::nft_messages::{
    ELEMENTS, ERROR, Message, SET_NAME, SUBSYSTEM, TABLE, attribute, malformed, name, request,
};

/// How many bytes one transaction may have: the kernel takes no more than fit into the socket's buffer.
const SIZE_MAX: usize = 128 << 10;

/// How many bytes of elements go into one message: an attribute has 65,535 at most.
const LIST_MAX: usize = 32 << 10;

// Types of messages and attributes, as in the kernel's `nfnetlink.h` and `nf_tables.h`.
const BATCH_BEGIN: u16 = 0x10;
const BATCH_END: u16 = 0x11;
const NEW_ELEMENTS: u16 = SUBSYSTEM | 12;
const DELETE_ELEMENTS: u16 = SUBSYSTEM | 14;
const LIST_ITEM: u16 = 1;
const ELEMENT_KEY: u16 = 1;
const ELEMENT_DATA: u16 = 2;
const VALUE: u16 = 1;

/// The number of the message that begins a transaction; what fails as a whole is told with it.
const FIRST: u32 = 1;

/// A transaction, ready to be sent.
pub(crate) struct Transaction {
    bytes: Vec<u8>,
    /// The number of the last message that changes anything.
    last: u32,
}

impl Transaction {
    /// Writes a change; `None` if it is too large.
    pub(crate) fn of(change: &ElementChange) -> Option<Self> {
        let mut all = lists(DELETE_ELEMENTS, 0, &change.remove);
        all.extend(lists(NEW_ELEMENTS, NLM_F_CREATE, &change.add));
        let mut bytes = request((BATCH_BEGIN, 0, FIRST), (0, SUBSYSTEM >> 8), &[]);
        let mut number = FIRST;
        let count = all.len();
        for (index, list) in all.into_iter().enumerate() {
            number += 1;
            // The kernel tells of errors unasked.
            let flags = if index + 1 == count { list.flags | NLM_F_ACK } else { list.flags };
            let names = [name(TABLE, &change.table), name(SET_NAME, &list.set)].concat();
            let attributes = [names, attribute(ELEMENTS, &list.items)].concat();
            bytes.extend(request((list.kind, flags, number), (list.family, 0), &attributes));
        }
        bytes.extend(request((BATCH_END, 0, number + 1), (0, SUBSYSTEM >> 8), &[]));
        (bytes.len() <= SIZE_MAX).then_some(Self { bytes, last: number })
    }

    /// Has the kernel carry it out: all of it or nothing.
    pub(crate) fn send(&self, dump: &Dump) -> io::Result<()> {
        dump.0.send(&self.bytes)?;
        let mut failure = None;
        loop {
            let datagram = dump.0.receive()?;
            let answer = Message::first(&datagram).filter(|message| message.kind == ERROR);
            let answer = answer.ok_or_else(|| malformed("answer"))?;
            // The first error is the cause of others.
            failure = failure.or_else(|| answer.error());
            if [FIRST, self.last].contains(&answer.sequence) {
                return failure.map_or(Ok(()), Err);
            }
        }
    }
}

/// Elements of one set that go or come together.
struct List {
    kind: u16,
    flags: u16,
    family: u8,
    set: String,
    items: Vec<u8>,
}

fn lists(kind: u16, flags: u16, elements: &[Element]) -> Vec<List> {
    let mut lists: Vec<List> = Vec::new();
    for element in elements {
        let (family, set) = (family_of(element), element.set.name());
        let item = attribute(LIST_ITEM, &body_of(element));
        let fits = |list: &&mut List| {
            (list.family, &list.set) == (family, &set) && list.items.len() + item.len() <= LIST_MAX
        };
        match lists.last_mut().filter(fits) {
            Some(list) => list.items.extend(item),
            None => lists.push(List { kind, flags, family, set, items: item }),
        }
    }
    lists
}

/// Returns the part of the table that an element is in.
pub(crate) fn part_of(element: &Element) -> Part {
    Part::Set(family_of(element), element.set.name())
}

/// Returns an element in the words in which the kernel tells of it too.
pub(crate) fn body_of(element: &Element) -> Vec<u8> {
    let mut body = attribute(ELEMENT_KEY, &attribute(VALUE, &element.key()));
    if let Some(value) = element.value() {
        body.extend(attribute(ELEMENT_DATA, &attribute(VALUE, &value)));
    }
    body
}

fn family_of(element: &Element) -> u8 {
    element.set.table_family().number()
}
