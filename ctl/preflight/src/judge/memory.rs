//! Whether there is memory for a node beside what runs on it.

use super::sizes::{GIB, MIB, bytes};
use crate::{check::Check, facts::Memory};

/// A daemon with a manager, a few shims, and little for containers.
const TOTAL_MIN: u64 = GIB / 2;
/// What the daemon itself may take at once.
const AVAILABLE_MIN: u64 = 128 * MIB;

/// Judges what there is and what is left of it.
pub fn memory(memory: &Result<Memory, String>) -> Check {
    const NAME: &str = "memory";
    let memory = match memory {
        Ok(memory) => memory,
        Err(why) => return Check::warning(NAME, why, "look with 'free' at the memory"),
    };
    let found = format!("{}, {} available", bytes(memory.total), bytes(memory.available));
    if memory.total < TOTAL_MIN {
        let remedy = format!("use a machine with {} at least", bytes(TOTAL_MIN));
        return Check::warning(NAME, found, remedy);
    }
    if memory.available < AVAILABLE_MIN {
        return Check::warning(NAME, found, "stop something: containers have next to nothing left");
    }
    Check::ok(NAME, found)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    #[test]
    fn little_memory_is_a_warning_whether_built_in_or_used_up() {
        let of = |total, available| memory(&Ok(Memory { total, available })).state;
        assert_eq!(of(GIB, AVAILABLE_MIN), State::Ok);
        assert_eq!(of(TOTAL_MIN - 1, AVAILABLE_MIN), State::Warning);
        assert_eq!(of(GIB, AVAILABLE_MIN - 1), State::Warning);
        assert_eq!(memory(&Err("unreadable".into())).state, State::Warning);
    }
}
