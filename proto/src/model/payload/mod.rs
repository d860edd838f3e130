//! Secrets and configs: what services find as files in their containers.

mod content;
mod name;
mod payload_use;
mod template;

pub use content::{Content, ContentError};
pub use name::{PayloadName, PayloadNameError};
pub use payload_use::{PAYLOAD_MODE, PayloadTargetError, PayloadUse};
pub use template::{ContentField, ContentTemplate, ContentTemplateError};

use super::{PayloadId, Signal, Timestamp};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt};

/// What a payload is to people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum PayloadKind {
    /// Something that nobody is to see but the containers it is for.
    Secret,
    /// Something that anybody may see.
    Config,
}

impl PayloadKind {
    /// The folder that names of files are relative to in containers, without `/` at its end.
    pub fn folder(self) -> &'static str {
        match self {
            PayloadKind::Secret => "/run/secrets",
            PayloadKind::Config => "",
        }
    }

    /// The first size in bytes that is too large for a content, as in docker.
    pub fn content_bytes_end(self) -> usize {
        match self {
            PayloadKind::Secret => 500 << 10,
            PayloadKind::Config => 1000 << 10,
        }
    }
}

impl fmt::Display for PayloadKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            PayloadKind::Secret => "secret",
            PayloadKind::Config => "config",
        })
    }
}

/// What people say of a secret or config, besides its content.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PayloadSpec {
    /// What it is.
    pub kind: PayloadKind,
    /// Its name, unique among those of its kind.
    pub name: PayloadName,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Whether expressions in its content are filled in for each task.
    pub templated: bool,
}

/// A secret or config as the managers hold it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Payload {
    /// Its id.
    pub id: PayloadId,
    /// Version of the state at its last change.
    pub version: u64,
    /// When it was created.
    pub created_at: Timestamp,
    /// When it was last changed by a person.
    pub updated_at: Timestamp,
    /// What people said of it.
    pub spec: PayloadSpec,
    /// Its contents that somebody may still need, by number; the newest is always there.
    pub editions: BTreeMap<u64, Edition>,
    /// The last edition that took the place of all before it; 1 at first.
    pub base: u64,
}

/// One content of a payload.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Edition {
    /// What containers find.
    pub content: Content,
    /// How it gets to the services that use the payload.
    pub roll: Roll,
}

/// How a new content gets to the services that use a payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Roll {
    /// Their tasks are replaced, as in any update; tasks that run keep what they have.
    Restart,
    /// The files of running containers are written anew, then these get a signal.
    Signal(Signal),
    /// The files of running containers are written anew.
    File,
}

impl Roll {
    /// Whether it takes the place of all earlier contents.
    pub fn is_in_place(self) -> bool {
        match self {
            Roll::Restart => false,
            Roll::Signal(_) | Roll::File => true,
        }
    }

    /// What running containers get.
    pub fn signal(self) -> Option<Signal> {
        match self {
            Roll::Signal(signal) => Some(signal),
            Roll::Restart | Roll::File => None,
        }
    }
}

impl Payload {
    /// A new one with its first content.
    pub fn new(id: PayloadId, spec: PayloadSpec, content: Content, now: Timestamp) -> Self {
        let first = Edition { content, roll: Roll::Restart };
        let editions = BTreeMap::from([(1, first)]);
        Self { id, version: 0, created_at: now, updated_at: now, spec, editions, base: 1 }
    }

    /// The number of the newest content.
    pub fn newest(&self) -> u64 {
        self.editions.keys().next_back().copied().unwrap_or(self.base)
    }

    /// The content for a task that was made for an edition, with its number: that one, or the one which took its place.
    /// `None` if nobody needed it any more.
    pub fn current(&self, edition: u64) -> Option<(u64, &Edition)> {
        let number = edition.max(self.base);
        self.editions.get(&number).map(|found| (number, found))
    }
}

/// What a task that was made for an edition of a payload finds on its node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PayloadDelivery {
    /// What its spec says.
    pub key: (PayloadId, u64),
    /// The number of the content.
    pub edition: u64,
    /// What it finds.
    pub content: Content,
    /// Whether expressions in it are to be filled in.
    pub templated: bool,
    /// What a running container gets when this takes the place of another content.
    pub signal: Option<Signal>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn payload(editions: &[u64], base: u64) -> Payload {
        let spec = PayloadSpec {
            kind: PayloadKind::Secret,
            name: "key".parse().unwrap(),
            labels: BTreeMap::new(),
            templated: false,
        };
        let content = |number: u64| Content::new(PayloadKind::Secret, vec![number as u8]).unwrap();
        let edition = |&number| (number, Edition { content: content(number), roll: Roll::Restart });
        let one = Payload::new(PayloadId::from_bits(1), spec, content(1), Timestamp(0));
        Payload { editions: editions.iter().map(edition).collect(), base, ..one }
    }

    #[test]
    fn a_task_finds_the_content_it_was_made_for_or_the_one_that_took_its_place() {
        let found = |payload: &Payload, edition| payload.current(edition).map(|(number, _)| number);
        let rolled = payload(&[1, 2, 3], 1);
        assert_eq!([1, 2, 3].map(|edition| found(&rolled, edition)), [Some(1), Some(2), Some(3)]);
        let replaced = payload(&[3, 4], 3);
        assert_eq!([1, 3, 4].map(|edition| found(&replaced, edition)), [Some(3), Some(3), Some(4)]);
        assert_eq!(found(&payload(&[1, 3], 1), 2), None, "nobody needed it any more");
        assert_eq!(replaced.newest(), 4);
    }
}
