//! What the kernel holds of nft tables, over netlink: counted and hashed, never as text.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io;

use netlink_packet_core::NLM_F_DUMP;
use nix::errno::Errno;

use crate::netfilter_socket::NetfilterSocket;
use crate::nft_messages::{
    Answer, ELEMENTS, ERROR, Message, SET_NAME, SUBSYSTEM, TABLE, attributes, malformed, name, request,
};

/// How often a dump is begun anew because the tables changed meanwhile.
const TRIES: usize = 5;

// Types of messages and attributes, as in the kernel's `nfnetlink.h` and `nf_tables.h`.
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
/// A table's flags: one that is dormant is there and does nothing.
const TABLE_SHAPE: [u16; 1] = [2];
const CHAIN_NAME: u16 = 3;
/// Hook, policy, type, flags: what a chain is, without its counters and its handle.
const CHAIN_SHAPE: [u16; 4] = [4, 5, 7, 10];
const RULE_CHAIN: u16 = 2;
const RULE_EXPRESSIONS: u16 = 4;
/// Flags, and the types and lengths of keys and data.
const SET_SHAPE: [u16; 5] = [3, 4, 5, 6, 7];

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

impl Content {
    /// Notes an element, as the kernel tells of it.
    pub(crate) fn add(&mut self, element: &[u8]) {
        self.entries += 1;
        self.entries_hash = self.entries_hash.wrapping_add(hash(element));
    }

    /// Notes that an element is there no more.
    pub(crate) fn remove(&mut self, element: &[u8]) {
        self.entries = self.entries.saturating_sub(1);
        self.entries_hash = self.entries_hash.wrapping_sub(hash(element));
    }
}

/// All tables of one name, as they were at one time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Tables {
    /// Counts the changes of all tables of the namespace.
    pub(crate) generation: u32,
    pub(crate) parts: BTreeMap<Part, Content>,
}

/// A blocking socket to nftables in the namespace of the calling thread.
pub(crate) struct Dump(pub(crate) NetfilterSocket);

impl Dump {
    pub(crate) fn open() -> io::Result<Self> {
        NetfilterSocket::open().map(Self)
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
                let content = Content { shape: hash_of(&table, &TABLE_SHAPE), ..Content::default() };
                parts.insert(Part::Table(table.family), content);
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
                let content = Content { shape: hash_of(&chain, &CHAIN_SHAPE), ..Content::default() };
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
            let mut content = Content { shape: hash_of(&set, &SET_SHAPE), ..Content::default() };
            for answer in self.dump(GET_ELEMENTS, family, &[(TABLE, table), (SET_NAME, name.as_str())])? {
                let elements = answer.attribute(ELEMENTS).into_iter().flat_map(attributes);
                elements.for_each(|(_, element)| content.add(element));
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
        let attributes: Vec<u8> = attributes.iter().flat_map(|(kind, text)| name(*kind, text)).collect();
        // Each request waits for its answer, so that none needs a number.
        let request = request((SUBSYSTEM | kind, flags, 0), (family, 0), &attributes);
        self.0.send(&request)?;
        let mut answers = Vec::new();
        let mut is_interrupted = false;
        loop {
            let datagram = self.0.receive()?;
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

fn hash_of(answer: &Answer, kinds: &[u16]) -> u64 {
    hash(&kinds.iter().map(|kind| answer.attribute(*kind)).collect::<Vec<_>>())
}

fn hash<T: Hash + ?Sized>(value: &T) -> u64 {
    let mut hasher = DefaultHasher::new();
    value.hash(&mut hasher);
    hasher.finish()
}

fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}
