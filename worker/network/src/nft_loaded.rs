//! Rules that were loaded, known again: whether somebody else changed them since, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use worker_core::overlay::ElementChange;

use crate::namespace::Namespace;
use crate::nft::{Nft, NftError};
use crate::nft_change::{Transaction, body_of, part_of};
use crate::nft_dump::{Content, Dump, Part, Tables};

/// How often rules are loaded when others change theirs at the same moment.
const TRIES: usize = 5;

/// Number of the address family `netdev`; the other one that is used is `inet`.
const NETDEV: u8 = 5;

/// The tables of one name in one namespace, as they were right after they were loaded.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    name: String,
    /// `None` when others changed tables so often that it could not be read.
    tables: Option<Tables>,
}

/// What loading gives.
#[derive(Debug)]
pub(crate) struct Loading {
    pub(crate) loaded: Loaded,
    /// What somebody else had changed before, in words; it is gone now.
    pub(crate) undone: Vec<String>,
}

impl Loaded {
    /// Loads a script, and notes what the kernel has then. What is there before is compared with what was loaded `before`:
    /// should somebody else have changed that, or change any table in the very moment, the `whole` table is loaded anew.
    pub(crate) async fn load(
        nft: &Nft,
        namespace: &Namespace,
        name: &str,
        before: Option<Self>,
        script: String,
        whole: impl Fn() -> String,
    ) -> Result<Loading, NftError> {
        let first = match before {
            Some(Self { tables: Some(known), .. }) => Attempt { known: Some(known), script },
            // A change of what nobody knows would make that what was loaded.
            Some(Self { tables: None, .. }) => Attempt { known: None, script: whole() },
            None => Attempt { known: None, script },
        };
        let (mut look, undone) = match first.carry_out(nft, namespace, name).await? {
            Outcome::Loaded(look) => (Some(look), Vec::new()),
            Outcome::Differs(undone) => (None, undone),
        };
        for _ in 1..TRIES {
            if look.as_ref().is_some_and(|look| look.is_certain) {
                break;
            }
            let again = Attempt { known: None, script: whole() };
            if let Outcome::Loaded(mut again) = again.carry_out(nft, namespace, name).await? {
                // What is the same twice, loaded anew each time, is what was loaded, whatever happens beside it.
                again.is_certain |= look.is_some_and(|look| look.tables.parts == again.tables.parts);
                look = Some(again);
            }
        }
        let tables = look.filter(|look| look.is_certain).map(|look| look.tables);
        Ok(Loading { loaded: Self { name: name.to_owned(), tables }, undone })
    }

    /// Takes over what a look at a copy of this showed, unless it was loaded anew since.
    pub(crate) fn catch_up(&mut self, copied: &Self, seen: Self) {
        let generation = |loaded: &Self| loaded.tables.as_ref().map(|tables| tables.generation);
        if generation(self) == generation(copied) {
            *self = seen;
        }
    }

    /// Changes elements, and reckons what the kernel has then instead of reading it, which would cost as much as all of it.
    /// Whether somebody else changed these very tables is found by the next look. It must be known what they have.
    pub(crate) async fn change(
        mut self,
        nft: &Nft,
        namespace: &Namespace,
        change: &ElementChange,
    ) -> Result<Self, NftError> {
        let Some(transaction) = Transaction::of(change) else {
            nft.load(namespace, &self.name, change.to_string()).await?;
            self.reckon(change);
            return Ok(self);
        };
        let counted = namespace.run(move || {
            let dump = Dump::open()?;
            let before = dump.generation()?;
            transaction.send(&dump)?;
            io::Result::Ok((before, dump.generation()?))
        });
        let (table, place) = (self.name.clone(), namespace.path().to_owned());
        let failed = |source| NftError::Change { table, namespace: place, source };
        let (before, after) = counted.await?.map_err(failed)?;
        self.reckon(change);
        let is_alone = after == before.wrapping_add(1);
        if let Some(tables) = self.tables.as_mut().filter(|tables| is_alone && tables.generation == before) {
            tables.generation = after;
        }
        Ok(self)
    }

    /// Tells whether it is known what the tables have, so that elements can be changed.
    pub(crate) fn is_known(&self) -> bool {
        self.tables.is_some()
    }

    fn reckon(&mut self, change: &ElementChange) {
        let Some(tables) = &mut self.tables else { return };
        for element in &change.remove {
            tables.parts.entry(part_of(element)).or_default().remove(&body_of(element));
        }
        for element in &change.add {
            tables.parts.entry(part_of(element)).or_default().add(&body_of(element));
        }
    }

    /// Says what is other than it was loaded. Changes of other tables are none, and cost one look each.
    pub(crate) async fn differences(&mut self, namespace: &Namespace) -> Result<Vec<String>, NftError> {
        let name = self.name.clone();
        let Some(tables) = &mut self.tables else {
            return Ok(vec![format!(
                "the nft tables {name} could not be read, as others change theirs all the time"
            )]);
        };
        let known = tables.generation;
        let looked = namespace.run(move || {
            let dump = Dump::open()?;
            if dump.generation()? == known { Ok(None) } else { dump.tables(&name).map(Some) }
        });
        let failed = |source| NftError::Look { namespace: namespace.path().to_owned(), source };
        let Some(found) = looked.await?.map_err(failed)? else { return Ok(Vec::new()) };
        let told = compare(&self.name, &tables.parts, &found.parts);
        if told.is_empty() {
            tables.generation = found.generation;
        }
        Ok(told)
    }
}

/// A script that is loaded if the tables are still what they were known to be.
struct Attempt {
    known: Option<Tables>,
    script: String,
}

/// What became of it.
enum Outcome {
    Loaded(Look),
    /// The tables were other than known, in words, and nothing was loaded.
    Differs(Vec<String>),
}

/// What the kernel had after a script.
struct Look {
    tables: Tables,
    /// Whether nobody else changed any table meanwhile.
    is_certain: bool,
}

impl Attempt {
    async fn carry_out(self, nft: &Nft, namespace: &Namespace, name: &str) -> Result<Outcome, NftError> {
        let (nft, name, path) = (nft.clone(), name.to_owned(), namespace.path().to_owned());
        let attempt = move || {
            let failed = |source| NftError::Look { namespace: path.clone(), source };
            let dump = Dump::open().map_err(failed)?;
            let mut before = dump.generation().map_err(failed)?;
            if let Some(known) = self.known.filter(|known| known.generation != before) {
                let found = dump.tables(&name).map_err(failed)?;
                let told = compare(&name, &known.parts, &found.parts);
                if !told.is_empty() {
                    return Ok(Outcome::Differs(told));
                }
                before = found.generation;
            }
            nft.load_here(&path, &name, &self.script)?;
            let tables = dump.tables(&name).map_err(failed)?;
            let is_certain = tables.generation == before.wrapping_add(1);
            Ok(Outcome::Loaded(Look { tables, is_certain }))
        };
        namespace.run(attempt).await?
    }
}

fn compare(table: &str, known: &BTreeMap<Part, Content>, found: &BTreeMap<Part, Content>) -> Vec<String> {
    let mut told = Vec::new();
    let mut lost = BTreeSet::new();
    for (part, content) in known {
        if lost.contains(&part.family()) {
            continue;
        }
        match found.get(part) {
            None => {
                if let Part::Table(family) = part {
                    lost.insert(*family);
                }
                told.push(format!("{} is missing", part.name(table)));
            }
            Some(other) if other != content => told.push(change(part, table, content, other)),
            Some(_) => {}
        }
    }
    let foreign = found.keys().filter(|part| !known.contains_key(*part));
    told.extend(foreign.map(|part| format!("{} should not be there", part.name(table))));
    told
}

fn change(part: &Part, table: &str, known: &Content, found: &Content) -> String {
    let (name, what) = match part {
        Part::Set(..) => (part.name(table), "elements"),
        Part::Chain(..) => (part.name(table), "rules"),
        Part::Table(_) => (part.name(table), "flags"),
    };
    match known.entries.checked_sub(found.entries) {
        Some(missing @ 1..) => format!("{name} lacks {missing} of {} {what}", known.entries),
        _ => format!("{name} has other {what} than it was given"),
    }
}

impl Part {
    fn family(&self) -> u8 {
        let (Self::Table(family) | Self::Chain(family, _) | Self::Set(family, _)) = self;
        *family
    }

    fn name(&self, table: &str) -> String {
        let family = if self.family() == NETDEV { "netdev" } else { "inet" };
        match self {
            Self::Table(_) => format!("the nft table {family} {table}"),
            Self::Chain(_, chain) => format!("the chain {chain} of the nft table {family} {table}"),
            Self::Set(_, set) => format!("the set {set} of the nft table {family} {table}"),
        }
    }
}

#[cfg(test)]
#[path = "nft_loaded_tests.rs"]
mod tests;
