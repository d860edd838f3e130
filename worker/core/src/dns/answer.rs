//! What is said to a question.

use std::net::IpAddr;

/// The most addresses in one answer. With IPv6 they take 57 of the 64 KiB that a message can have.
const ADDRESSES_MAX: usize = 2048;

/// The most services in one answer. Each takes at most 210 bytes, as names in them are not compressed.
const SERVICES_MAX: usize = 300;

/// What is said to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// These records, at least one.
    Records(Vec<Record>),
    /// The name exists, but has no records of the type asked for.
    NoData,
    /// The name would be one of ours, and does not exist.
    NoSuchName,
    /// The name is none of ours.
    Forward,
    /// The name is none that is known yet, and may be ours.
    NotYet,
}

/// A record without the name it belongs to, which is that of the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Record {
    /// An A or AAAA record.
    Address(IpAddr),
    /// A PTR record: a name, without the dot at the end.
    Pointer(String),
    /// An SRV record; priority 0 and the same weight for all (RFC 2782).
    Service {
        /// The port in the container.
        port: u16,
        /// The task's name, without the dot at the end.
        target: String,
    },
}

impl Answer {
    /// The records, if there are any.
    pub(super) fn of(records: Vec<Record>) -> Self {
        if records.is_empty() { Self::NoData } else { Self::Records(records) }
    }
}

/// Begins a list at another place at each `turn`, and cuts it to what a message can hold.
pub(super) fn rotated(mut records: Vec<Record>, turn: u64) -> Vec<Record> {
    let Some(first) = records.first() else { return records };
    let most = if matches!(first, Record::Service { .. }) { SERVICES_MAX } else { ADDRESSES_MAX };
    let by = turn % records.len() as u64;
    records.rotate_left(by as usize);
    records.truncate(most);
    records
}
