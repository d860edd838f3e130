//! What the kernel holds of nft tables, over netlink: counted and hashed, never as text.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use netlink_packet_core::{DecodeError, NLM_F_DUMP, NLM_F_REQUEST, NlasIterator};
use netlink_sys::protocols::NETLINK_NETFILTER;
use netlink_sys::{Socket, SocketAddr};
use nix::errno::Errno;

/// Number of nftables among the parts of netfilter, as it stands in message types.
const SUBSYSTEM: u16 = 10 << 8;

/// Length of a netlink message's header and netfilter's after it, in bytes.
const HEADERS: usize = 20;

/// How often a dump is begun anew because the tables changed meanwhile.
const TRIES: usize = 5;

// Types of messages and attributes, as in the kernel's `nfnetlink.h` and `nf_tables.h`.
const ERROR: u16 = 2;
const DONE: u16 = 3;
const DUMP_INTERRUPTED: u16 = 0x10;
const ALL_FAMILIES: u8 = 0;
const GET_TABLES: u16 = 1;
const GET_CHAINS: u16 = 4;
const GET_RULES: u16 = 7;
const GET_SETS: u16 = 10;
const GET_ELEMENTS: u16 = 13;
const GET_GENERATION: u16 = 16;
const GENERATION_ID: u16 = 1;
/// The table's name, in messages of every type.
const TABLE: u16 = 1;
const CHAIN_NAME: u16 = 3;
/// Hook, policy, type, flags: what a chain is, without its counters and its handle.
const CHAIN_SHAPE: [u16; 4] = [4, 5, 7, 10];
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
const SET_NAME: u16 = 2;
/// Flags, and the types and lengths of keys and data.
const SET_SHAPE: [u16; 5] = [3, 4, 5, 6, 7];
const ELEMENTS: u16 = 3;

/// A part of a table; the number is the address family it belongs to.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Part {
    /// The table itself.
    Table(u8),
    /// A chain.
    Chain(u8, String),
    /// A set or map.
    Set(u8, String),
}

/// What there is of a part.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Content {
    /// A hash of what it is without what is in it.
    shape: u64,
    /// How many rules or elements are in it.
    pub(crate) entries: usize,
    /// A hash of them: of rules in their order, of elements in any.
    entries_hash: u64,
}

/// All tables of one name, as they were at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Counts the changes of all tables of the namespace.
    pub(crate) generation: u32,
    pub(crate) parts: BTreeMap<Part, Content>,
}

/// A blocking socket to nftables in the namespace of the calling thread.
pub(crate) struct Dump(Socket);

impl Dump {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = Socket::new(NETLINK_NETFILTER)?;
        socket.bind_auto()?;
        socket.connect(&SocketAddr::new(0, 0))?;
        Ok(Self(socket))
    }

    /// Asks how many changes the tables of the namespace have seen.
    pub(crate) fn generation(&self) -> io::Result<u32> {
        let answers = self.ask(GET_GENERATION, ALL_FAMILIES, &[], 0)?;
        let id = answers.first().and_then(|answer| answer.attribute(GENERATION_ID));
        let id = id.and_then(|bytes| <[u8; 4]>::try_from(bytes).ok());
        id.map(u32::from_be_bytes).ok_or_else(|| malformed("generation"))
    }

    /// Reads all tables of a name.
    pub(crate) fn tables(&self, name: &str) -> io::Result<Tables> {
        for _ in 0..TRIES {
            let generation = self.generation()?;
            match self.parts(name) {
                Ok(parts) if self.generation()? == generation => return Ok(Tables { generation, parts }),
                // A set that was listed may be gone by now, as may its table.
                Err(error) if ![Errno::EINTR, Errno::ENOENT].iter().any(|errno| is(&error, *errno)) => {
                    return Err(error);
                }
                Ok(_) | Err(_) => {}
            }
        }
        Err(io::Error::new(io::ErrorKind::ResourceBusy, "the tables change all the time"))
    }

    fn parts(&self, name: &str) -> io::Result<BTreeMap<Part, Content>> {
        let mut parts = BTreeMap::new();
        for table in self.dump(GET_TABLES, ALL_FAMILIES, &[])? {
            if table.text(TABLE).as_deref() == Some(name) {
                parts.insert(Part::Table(table.family), Content::default());
                self.add_chains(name, table.family, &mut parts)?;
                self.add_sets(name, table.family, &mut parts)?;
            }
        }
        Ok(parts)
    }

    fn add_chains(&self, table: &str, family: u8, parts: &mut BTreeMap<Part, Content>) -> io::Result<()> {
        // A table's name does not narrow this list down.
        for chain in self.dump(GET_CHAINS, family, &[])? {
            let is_ours = chain.text(TABLE).as_deref() == Some(table);
            if let Some(name) = chain.text(CHAIN_NAME).filter(|_| is_ours) {
                let content = Content { shape: chain.hash_of(&CHAIN_SHAPE), ..Content::default() };
                parts.insert(Part::Chain(family, name), content);
            }
        }
        for rule in self.dump(GET_RULES, family, &[(TABLE, table)])? {
            let chain = rule.text(RULE_CHAIN).unwrap_or_default();
            let content = parts.entry(Part::Chain(family, chain)).or_default();
            content.entries += 1;
            let ordered = (content.entries_hash, rule.attribute(RULE_EXPRESSIONS));
            content.entries_hash = hash(&ordered);
        }
        Ok(())
    }

    fn add_sets(&self, table: &str, family: u8, parts: &mut BTreeMap<Part, Content>) -> io::Result<()> {
        for set in self.dump(GET_SETS, family, &[(TABLE, table)])? {
            let name = set.text(SET_NAME).unwrap_or_default();
            let mut content = Content { shape: set.hash_of(&SET_SHAPE), ..Content::default() };
            for answer in self.dump(GET_ELEMENTS, family, &[(TABLE, table), (SET_NAME, name.as_str())])? {
                for (_, element) in answer.attribute(ELEMENTS).into_iter().flat_map(attributes) {
                    content.entries += 1;
                    content.entries_hash = content.entries_hash.wrapping_add(hash(&element));
                }
            }
            parts.insert(Part::Set(family, name), content);
        }
        Ok(())
    }

    fn dump(&self, kind: u16, family: u8, attributes: &[(u16, &str)]) -> io::Result<Vec<Answer>> {
        self.ask(kind, family, attributes, NLM_F_DUMP)
    }

    /// Sends one request and reads answers until the last.
    fn ask(&self, kind: u16, family: u8, attributes: &[(u16, &str)], flags: u16) -> io::Result<Vec<Answer>> {
        self.0.send(&request(kind, family, attributes, flags), 0)?;
        let mut answers = Vec::new();
        let mut is_interrupted = false;
        loop {
            let (datagram, _) = self.0.recv_from_full()?;
            let mut rest = datagram.as_slice();
            while !rest.is_empty() {
                let message = Message::first(rest).ok_or_else(|| malformed("message"))?;
                rest = rest.get(message.length.next_multiple_of(4)..).unwrap_or_default();
                is_interrupted |= message.flags & DUMP_INTERRUPTED != 0;
                match message.kind {
                    // Not before: what is left unread would be taken for the next answer.
                    DONE if is_interrupted => return Err(Errno::EINTR.into()),
                    DONE => return Ok(answers),
                    ERROR => return message.error().map_or(Ok(answers), Err),
                    _ => answers.push(message.answer().ok_or_else(|| malformed("answer"))?),
                }
                if flags & NLM_F_DUMP == 0 {
                    return Ok(answers);
                }
            }
        }
    }
}

/// One message of the kernel's.
struct Message<'a> {
    length: usize,
    kind: u16,
    flags: u16,
    /// All of it, its header included.
    bytes: &'a [u8],
}

impl<'a> Message<'a> {
    fn first(datagram: &'a [u8]) -> Option<Self> {
        let length = u32::from_ne_bytes(field(datagram, 0)?) as usize;
        let kind = u16::from_ne_bytes(field(datagram, 4)?);
        let flags = u16::from_ne_bytes(field(datagram, 6)?);
        let bytes = datagram.get(..length).filter(|bytes| bytes.len() >= HEADERS)?;
        Some(Self { length, kind, flags, bytes })
    }

    /// The error it tells; `None` if all went well.
    fn error(&self) -> Option<io::Error> {
        let code = i32::from_ne_bytes(field(self.bytes, 16)?);
        (code != 0).then(|| io::Error::from_raw_os_error(-code))
    }

    fn answer(&self) -> Option<Answer> {
        Some(Answer { family: *self.bytes.get(16)?, attributes: self.bytes.get(HEADERS..)?.to_vec() })
    }
}

/// What an answer says, after its headers.
struct Answer {
    family: u8,
    attributes: Vec<u8>,
}

impl Answer {
    fn attribute(&self, kind: u16) -> Option<&[u8]> {
        attributes(&self.attributes).find(|(found, _)| *found == kind).map(|(_, value)| value)
    }

    /// A name, without the zero at its end.
    fn text(&self, kind: u16) -> Option<String> {
        let bytes = self.attribute(kind)?;
        Some(String::from_utf8_lossy(bytes.strip_suffix(&[0]).unwrap_or(bytes)).into_owned())
    }

    fn hash_of(&self, kinds: &[u16]) -> u64 {
        hash(&kinds.iter().map(|kind| self.attribute(*kind)).collect::<Vec<_>>())
    }
}

fn attributes(bytes: &[u8]) -> impl Iterator<Item = (u16, &[u8])> {
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

fn request(kind: u16, family: u8, attributes: &[(u16, &str)], flags: u16) -> Vec<u8> {
    let mut body = vec![family, 0, 0, 0];
    for (kind, text) in attributes {
        // Names have 256 bytes at most.
        let length = u16::try_from(4 + text.len() + 1).unwrap_or(u16::MAX);
        body.extend(length.to_ne_bytes());
        body.extend(kind.to_ne_bytes());
        body.extend(text.as_bytes());
        body.resize((body.len() + 1).next_multiple_of(4), 0);
    }
    let length = u32::try_from(16 + body.len()).unwrap_or(u32::MAX);
    let mut message = length.to_ne_bytes().to_vec();
    message.extend((SUBSYSTEM | kind).to_ne_bytes());
    message.extend((NLM_F_REQUEST | flags).to_ne_bytes());
    // Neither a sequence nor a port number: each request waits for its answer.
    message.extend([0; 8]);
    message.extend(body);
    message
}

fn field<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at + N)?.try_into().ok()
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

fn malformed(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, format!("the kernel sent a {what} that cannot be read"))
}
