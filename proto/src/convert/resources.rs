//! Processor, memory and process counts.

use crate::{
    model::{
        Limits, Problems, Reservations,
        resources::{check_memory_bytes, check_nano_cpus},
    },
    wire,
};

/// A million processors: what lies beyond is a slip, and overflows the kernel's arithmetic.
const NANO_CPUS_MAX: u64 = 1_000_000 * 1_000_000_000;
/// An exbibyte: what lies beyond does not fit the kernel's signed sizes.
const MEMORY_BYTES_MAX: u64 = 1 << 60;
/// The kernel's largest process id on 64-bit machines (`PID_MAX_LIMIT`).
const PIDS_MAX: u64 = 4 << 20;

impl From<&Limits> for wire::Resources {
    fn from(limits: &Limits) -> Self {
        wire::Resources {
            nano_cpus: limits.nano_cpus.unwrap_or(0),
            memory_bytes: limits.memory_bytes.unwrap_or(0),
            pids: limits.pids.unwrap_or(0),
        }
    }
}

impl From<&Reservations> for wire::Resources {
    fn from(reservations: &Reservations) -> Self {
        wire::Resources {
            nano_cpus: reservations.nano_cpus,
            memory_bytes: reservations.memory_bytes,
            pids: 0,
        }
    }
}

/// Reads what a task may use at most.
pub(super) fn limits(wire: &wire::Resources, problems: &mut Problems) -> Limits {
    if wire.pids > PIDS_MAX {
        problems.add("--limit-pids", format!("{} is too many: must be at most {PIDS_MAX}", wire.pids));
    }
    Limits {
        nano_cpus: nano_cpus("--limit-cpu", wire.nano_cpus, problems),
        memory_bytes: memory_bytes("--limit-memory", wire.memory_bytes, problems),
        pids: Some(wire.pids).filter(|&pids| pids > 0),
    }
}

/// Reads what is set aside for a task.
pub(super) fn reservations(wire: &wire::Resources, problems: &mut Problems) -> Reservations {
    if wire.pids > 0 {
        problems.add("--reserve-pids", "processes can't be reserved: limit them with --limit-pids");
    }
    Reservations {
        nano_cpus: nano_cpus("--reserve-cpu", wire.nano_cpus, problems).unwrap_or(0),
        memory_bytes: memory_bytes("--reserve-memory", wire.memory_bytes, problems).unwrap_or(0),
    }
}

fn nano_cpus(option: &str, nano_cpus: u64, problems: &mut Problems) -> Option<u64> {
    if nano_cpus > NANO_CPUS_MAX {
        problems
            .add(option, format!("invalid cpu value {}: must be at most 1000000", nano_cpus / 1_000_000_000));
    }
    problems.take(option, check_nano_cpus(nano_cpus)).flatten()
}

fn memory_bytes(option: &str, bytes: u64, problems: &mut Problems) -> Option<u64> {
    if bytes > MEMORY_BYTES_MAX {
        problems.add(option, format!("invalid memory value {bytes} bytes: must be at most 1 EiB"));
    }
    problems.take(option, check_memory_bytes(bytes)).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_out_of_range_are_named_with_their_option() {
        let mut problems = Problems::default();
        limits(&wire::Resources { nano_cpus: 1, memory_bytes: 1, pids: u64::MAX }, &mut problems);
        reservations(
            &wire::Resources { nano_cpus: u64::MAX, memory_bytes: u64::MAX, pids: 1 },
            &mut problems,
        );
        let options: Vec<&str> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(
            options,
            [
                "--limit-pids",
                "--limit-cpu",
                "--limit-memory",
                "--reserve-pids",
                "--reserve-cpu",
                "--reserve-memory"
            ]
        );
    }

    #[test]
    fn zero_means_no_limit() {
        let mut problems = Problems::default();
        assert_eq!(limits(&wire::Resources::default(), &mut problems), Limits::default());
        assert_eq!(problems, Problems::default());
    }
}
