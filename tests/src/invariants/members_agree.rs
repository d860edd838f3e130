//! Managers that have applied the same entries have the same state, and a snapshot holds all of it.

use super::{Broken, Kept};
use crate::sim::network::MemberNo;
use manager_core::state::State;

const PROMISE: &str = "members_agree";

/// Compares a member's state with what the log leads to.
pub fn check(member: MemberNo, entries: usize, state: &State, expected: &State) -> Kept {
    match state == expected {
        true => Ok(()),
        false => Err(Broken::new(PROMISE, format!("m{member} has another state after {entries} entries"))),
    }
}

/// Compares a member's state with what its snapshot is read back as.
pub fn check_snapshot(member: MemberNo, state: &State, restored: &State) -> Kept {
    match state == restored {
        true => Ok(()),
        false => Err(Broken::new(PROMISE, format!("m{member}'s snapshot does not hold its state"))),
    }
}
