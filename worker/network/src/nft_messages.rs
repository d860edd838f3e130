//! Messages to and from the kernel's nftables: their headers, and attributes within attributes.

use std::io;

use netlink_packet_core::{DecodeError, NLM_F_REQUEST, NlasIterator};

/// Number of nftables among the parts of netfilter, as it stands in message types.
pub(crate) const SUBSYSTEM: u16 = 10 << 8;

/// Length of a netlink message's header, in bytes.
const HEADER: usize = 16;

/// Length of that and netfilter's after it, in bytes.
const HEADERS: usize = 20;

/// Length of an attribute's header, in bytes.
const ATTRIBUTE_HEADER: usize = 4;

/// What messages and attributes are filled up to a multiple of, in bytes.
const ALIGNMENT: usize = 4;

// Attributes with the same number in messages of every type, as in the kernel's `nf_tables.h`.
/// The table's name.
pub(crate) const TABLE: u16 = 1;
/// The set's name, in messages about sets and their elements.
pub(crate) const SET_NAME: u16 = 2;
/// Elements of a set.
pub(crate) const ELEMENTS: u16 = 3;

/// The type of messages that tell of an error, or that there was none.
pub(crate) const ERROR: u16 = 2;

/// One message of the kernel's.
pub(crate) struct Message<'a> {
    pub(crate) length: usize,
    pub(crate) kind: u16,
    pub(crate) flags: u16,
    /// The number of the request it answers.
    pub(crate) sequence: u32,
    /// All of it, its header included.
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    pub(crate) fn first(datagram: &'a [u8]) -> Option<Self> {
        let length = u32::from_ne_bytes(field(datagram, 0)?) as usize;
        let kind = u16::from_ne_bytes(field(datagram, 4)?);
        let flags = u16::from_ne_bytes(field(datagram, 6)?);
        let sequence = u32::from_ne_bytes(field(datagram, 8)?);
        let bytes = datagram.get(..length).filter(|bytes| bytes.len() >= HEADERS)?;
        Some(Self { length, kind, flags, sequence, bytes })
    }

    /// The error it tells; `None` if all went well.
    pub(crate) fn error(&self) -> Option<io::Error> {
        let code = i32::from_ne_bytes(field(self.bytes, 16)?);
        (code != 0).then(|| io::Error::from_raw_os_error(-code))
    }

    pub(crate) fn answer(&self) -> Option<Answer> {
        Some(Answer { family: *self.bytes.get(16)?, attributes: self.bytes.get(HEADERS..)?.to_vec() })
    }
}

/// What an answer says, after its headers.
pub(crate) struct Answer {
    pub(crate) family: u8,
    attributes: Vec<u8>,
}

impl Answer {
    pub(crate) fn attribute(&self, kind: u16) -> Option<&[u8]> {
        attributes(&self.attributes).find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// A name, without the zero at its end.
    pub(crate) fn text(&self, kind: u16) -> Option<String> {
        let bytes = self.attribute(kind)?;
        Some(String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned())
    }
}

/// Lists attributes: their numbers and values.
pub(crate) fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
    // What cannot be read ends the list: the hash differs then, and the table is loaded anew.
    NlasIterator::new(bytes)
        .map_while(Result::<_, DecodeError>::ok)
        .map(|attribute| (attribute.kind(), value_of(attribute.into_inner())))
}

/// Takes an attribute's header off, and the padding after its value.
fn value_of(attribute: &[u8]) -> &[u8] {
    let length = field(attribute, 0).map_or(0, |bytes| usize::from(u16::from_ne_bytes(bytes)));
    attribute.get(4..length).unwrap_or_default()
}

/// Writes an attribute: a header, the value, and what fills it up.
pub(crate) fn attribute(kind: u16, value: &[u8]) -> Vec<u8> {
    // Names have 256 bytes at most, and lists are cut into parts that fit.
    let length = u16::try_from(ATTRIBUTE_HEADER + value.len()).unwrap_or(u16::MAX);
    let mut bytes = [length.to_ne_bytes(), kind.to_ne_bytes()].concat();
    bytes.extend(value);
    bytes.resize(bytes.len().next_multiple_of(ALIGNMENT), 0);
    bytes
}

/// Writes an attribute that is a name.
pub(crate) fn name(kind: u16, text: &str) -> Vec<u8> {
    attribute(kind, &[text.as_bytes(), &[0]].concat())
}

/// Writes a request; `resource` is the part of netfilter that a transaction is for, and nothing otherwise.
pub(crate) fn request(
    (kind, flags, sequence): (u16, u16, u32),
    (family, resource): (u8, u16),
    attributes: &[u8],
) -> Vec<u8> {
    let length = u32::try_from(HEADERS + attributes.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend(kind.to_ne_bytes());
    message.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    message.extend(sequence.to_ne_bytes());
    // The port number, which the kernel fills in.
    message.resize(HEADER, 0);
    message.extend([family, 0]);
    message.extend(resource.to_be_bytes());
    message.extend(attributes);
    message
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

pub(crate) fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel sent a {what} that cannot be read"))
}
