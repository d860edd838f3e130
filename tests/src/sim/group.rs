//! The managers' group: one committed log, of which every member has applied a prefix.
//!
//! The consensus itself is not simulated but modelled by what it promises: an entry is committed once
//! a majority can be reached by the newest leader; a new leader has every committed entry; the entry
//! that the old one was writing is then either committed or lost, and nobody is told which.

use super::{
    happening::Happening,
    leader::Leading,
    network::{MemberNo, Point},
    world::World,
};
use crate::invariants::{self, Step};
use manager_core::state::{Event, Image, Refusal, State, Transaction};
use proto::model::Timestamp;
use std::{collections::BTreeMap, time::Duration};

/// Transactions that are applied in order, up to the first that is refused.
pub type Batch = Vec<Transaction>;

/// Entries between two snapshots of a member.
const SNAPSHOT_INTERVAL: usize = 40;

/// When the first leader's clock begins, in milliseconds since 1970.
pub const EPOCH_MS: i64 = 1_700_000_000_000;

/// The managers.
#[derive(Debug, Default)]
pub struct Group {
    /// The members.
    pub members: Vec<Member>,
    /// The newest leadership.
    pub term: u64,
    /// What is committed, as it is read back from a disk.
    pub log: Vec<Vec<Batch>>,
    /// The state after the whole log.
    pub state: State,
    /// The state after each entry that some member has not applied.
    after: BTreeMap<usize, State>,
}

/// A manager.
#[derive(Debug)]
pub struct Member {
    /// Whether its process runs.
    pub up: bool,
    /// What it has applied.
    pub state: State,
    /// How many entries that were.
    pub applied: usize,
    /// How far its clock is off.
    pub clock_offset_ms: i64,
    /// Who leads, as far as it knows.
    pub follows: Option<MemberNo>,
    /// What it does as the leader, if it takes itself for that.
    pub leading: Option<Leading>,
    /// Its newest snapshot, as it is on its disk, and the entries in it.
    snapshot: (usize, Vec<u8>),
}

impl Member {
    /// A member that has nothing.
    pub fn new(clock_offset_ms: i64) -> Self {
        let snapshot = (0, stored(&State::default()));
        let state = State::default();
        Self { up: true, state, applied: 0, clock_offset_ms, follows: None, leading: None, snapshot }
    }
}

fn stored(state: &State) -> Vec<u8> {
    rmp_serde::to_vec_named(&state.to_image()).expect("a state can be written down")
}

fn restored(snapshot: &[u8]) -> State {
    let image: Image = rmp_serde::from_slice(snapshot).expect("a snapshot can be read");
    State::from_image(image).expect("a snapshot of the same version is taken in")
}

/// An entry as a member reads it from its log.
fn logged(batches: &[Batch]) -> Vec<Batch> {
    let bytes = rmp_serde::to_vec_named(batches).expect("an entry can be written down");
    rmp_serde::from_slice(&bytes).expect("an entry can be read")
}

/// What came of an entry.
pub struct Committed {
    /// For each batch, whether it was refused, and why.
    pub results: Vec<Result<(), Refusal>>,
    /// What it changed.
    pub events: Vec<Event>,
}

impl World {
    /// A manager's clock.
    pub fn clock_of(&self, member: MemberNo) -> Timestamp {
        let passed = i64::try_from(self.now.as_millis()).expect("a history does not last that long");
        Timestamp(EPOCH_MS + self.group.members[member].clock_offset_ms + passed)
    }

    /// Whether two managers run and reach each other.
    pub fn members_meet(&self, a: MemberNo, b: MemberNo) -> bool {
        let up = |member: MemberNo| self.group.members[member].up;
        up(a) && up(b) && self.network.reaches(Point::Member(a), Point::Member(b))
    }

    /// Whether a manager reaches a majority, itself included.
    pub fn has_quorum(&self, member: MemberNo) -> bool {
        let met = (0..self.group.members.len()).filter(|&other| self.members_meet(member, other));
        met.count() * 2 > self.group.members.len()
    }

    /// The newest leader, if its process runs.
    pub fn newest_leader(&self) -> Option<MemberNo> {
        let leads = |leading: &Leading| leading.term == self.group.term;
        self.group.members.iter().position(|member| member.leading.as_ref().is_some_and(leads))
    }

    /// Commits an entry. The leader that wrote it applies it at once, the others when they hear of it.
    pub(super) fn commit(&mut self, batches: &[Batch], writer: Option<MemberNo>) -> Committed {
        let entry = logged(batches);
        let mut committed = Committed { results: Vec::new(), events: Vec::new() };
        for batch in &entry {
            let result = self.apply_batch(batch, &mut committed.events);
            committed.results.push(result);
        }
        self.group.log.push(entry);
        let length = self.group.log.len();
        self.group.after.insert(length, self.group.state.clone());
        for member in 0..self.group.members.len() {
            if Some(member) == writer {
                self.group.members[member].state = self.group.state.clone();
                self.group.members[member].applied = length;
            } else {
                let delay = self.message_delay();
                self.after(delay, Happening::CatchUp { member });
            }
        }
        committed
    }

    fn apply_batch(&mut self, batch: &Batch, events: &mut Vec<Event>) -> Result<(), Refusal> {
        for transaction in batch {
            let before = self.group.state.clone();
            let applied = self.group.state.apply(transaction)?;
            self.group_changed(&before, transaction, &applied.events);
            events.extend(applied.events);
        }
        Ok(())
    }

    fn group_changed(&mut self, before: &State, transaction: &Transaction, events: &[Event]) {
        self.note_changes(before, events);
        let step = Step { before, after: &self.group.state, transaction, events };
        let kept = self.promises.after_transaction(&step, self.now);
        self.must(kept);
    }

    /// Lets a follower apply what is committed, if it reaches the leader; one that is far behind is
    /// sent a snapshot.
    pub(super) fn catch_up(&mut self, member: MemberNo) {
        let Some(leader) = self.newest_leader().filter(|&leader| self.members_meet(leader, member)) else {
            return;
        };
        let length = self.group.log.len();
        let (far, applied) = (2 * SNAPSHOT_INTERVAL, self.group.members[member].applied);
        if applied == length {
            return;
        }
        if length - applied > far && leader != member {
            let snapshot = stored(&self.group.members[leader].state);
            self.group.members[member].state = restored(&snapshot);
            self.group.members[member].applied = length;
            self.note(format_args!("m{member} takes in a snapshot of {length} entries"));
        } else {
            self.apply_log(member);
        }
        self.check_member(member);
        self.take_snapshot(member);
        let least = self.group.members.iter().map(|member| member.applied).min().unwrap_or(0);
        self.group.after = self.group.after.split_off(&least);
    }

    /// Applies every committed entry that a member has not applied.
    pub(super) fn apply_log(&mut self, member: MemberNo) {
        let Group { members, log, .. } = &mut self.group;
        let member = &mut members[member];
        for batch in log[member.applied..].iter().flatten() {
            // Refusals are the same on every member, or the states would differ.
            let _ = batch.iter().try_for_each(|transaction| member.state.apply(transaction).map(drop));
        }
        member.applied = log.len();
    }

    fn check_member(&mut self, member: MemberNo) {
        let Member { applied, state, .. } = &self.group.members[member];
        if let Some(expected) = self.group.after.get(applied) {
            let kept = invariants::members_agree::check(member, *applied, state, expected);
            self.must(kept);
        }
    }

    fn take_snapshot(&mut self, member: MemberNo) {
        let Member { applied, state, snapshot, .. } = &mut self.group.members[member];
        if *applied < snapshot.0 + SNAPSHOT_INTERVAL {
            return;
        }
        *snapshot = (*applied, stored(state));
        let kept = invariants::members_agree::check_snapshot(member, state, &restored(&snapshot.1));
        self.must(kept);
    }

    /// Ends a manager's process. What it was writing may be on other disks already.
    pub(super) fn stop_member(&mut self, member: MemberNo) {
        if !self.group.members[member].up {
            return;
        }
        self.note(format_args!("m{member} is killed"));
        self.abandon_leadership(member);
        self.group.members[member].up = false;
        self.group.members[member].follows = None;
        for connection in self.network.find(|it| it.via == member || it.leader == Some(member)) {
            self.reset(connection);
        }
    }

    /// Starts a manager's process: it has its newest snapshot, and applies its log from there.
    pub(super) fn start_member(&mut self, member: MemberNo) {
        if self.group.members[member].up {
            return;
        }
        self.note(format_args!("m{member} starts"));
        let it = &mut self.group.members[member];
        it.up = true;
        (it.applied, it.state) = (it.snapshot.0, restored(&it.snapshot.1));
        self.after(Duration::from_millis(200), Happening::CatchUp { member });
        self.after(Duration::from_millis(200), Happening::Hear { member });
    }
}
