//! Who leads: elections, and how managers and leaders that were deposed hear of them.

use super::{group::Batch, happening::Happening, leader::Leading, network::MemberNo, world::World};
use std::time::Duration;

/// How often the managers look whether they have a leader.
const LOOK: Duration = Duration::from_millis(300);

/// How long they do without one before they elect another, in milliseconds.
const ELECTION_MS: (u64, u64) = (900, 1800);

impl World {
    /// Whether there is a leader that decides.
    pub fn is_led(&self) -> bool {
        let leader = self.newest_leader().filter(|&leader| self.has_quorum(leader));
        leader
            .and_then(|leader| self.group.members[leader].leading.as_ref())
            .is_some_and(|leading| leading.ready)
    }

    /// Elects a leader if there has been none for long enough.
    pub(super) fn look_for_leader(&mut self) {
        self.after(LOOK, Happening::Election);
        if self.newest_leader().is_some_and(|leader| self.has_quorum(leader)) {
            self.leaderless_since = None;
            return;
        }
        let since = *self.leaderless_since.get_or_insert(self.now);
        let patience = self.rng.millis(ELECTION_MS.0, ELECTION_MS.1);
        if self.now.saturating_sub(since) >= patience {
            self.elect_other_than(None);
        }
    }

    /// Elects any manager that reaches a majority, except one.
    pub(super) fn elect_other_than(&mut self, except: Option<MemberNo>) {
        let can_win = |&member: &MemberNo| Some(member) != except && self.has_quorum(member);
        let candidates: Vec<MemberNo> = (0..self.group.members.len()).filter(can_win).collect();
        if let Some(winner) = self.rng.pick(&candidates) {
            self.elect(winner);
        }
    }

    /// Makes a manager the leader.
    pub(super) fn elect(&mut self, winner: MemberNo) {
        self.leaderless_since = None;
        if let Some(batches) = self.last_entry()
            && self.rng.chance(50)
        {
            self.note(format_args!("the entry that the last leader was writing has got through"));
            self.commit(&batches, None);
        }
        // One that wins again begins anew, too.
        self.step_down(winner);
        self.group.term += 1;
        let term = self.group.term;
        self.apply_log(winner);
        self.group.members[winner].leading = Some(Leading::new(term, self.clock_of(winner)));
        self.group.members[winner].follows = Some(winner);
        self.note(format_args!("m{winner} is elected for term {term}"));
        let delay = self.rng.millis(5, 60);
        self.after(delay, Happening::LeaderReady { member: winner, term });
        self.tell_who_leads();
    }

    /// What the last leader was writing: it may have reached the new one, which then commits it.
    fn last_entry(&mut self) -> Option<Vec<Batch>> {
        let left_behind = self.left_behind.take();
        match self.newest_leader() {
            Some(leader) => self.group.members[leader].leading.as_mut()?.take_undecided(),
            None => left_behind,
        }
    }

    /// Lets every manager hear who leads before long.
    pub(super) fn tell_who_leads(&mut self) {
        for member in 0..self.group.members.len() {
            let delay = self.rng.millis(1, 200);
            self.after(delay, Happening::Hear { member });
        }
    }

    /// A manager hears who leads, if it reaches the leader. One that led before stops that.
    pub(super) fn hear_who_leads(&mut self, member: MemberNo) {
        let Some(leader) = self.newest_leader().filter(|&leader| self.members_meet(leader, member)) else {
            return;
        };
        self.group.members[member].follows = Some(leader);
        if member != leader && self.group.members[member].leading.is_some() {
            self.note(format_args!("m{member} hears that it does not lead any more"));
            self.step_down(member);
        }
        self.catch_up(member);
    }
}
