//! Processor, memory and process counts: what a task may use at most and what is set aside for it.

use serde::{Deserialize, Serialize};

/// The smallest processor share that can be asked for, in billionths of a processor.
pub const NANO_CPUS_MIN: u64 = 1_000_000;
/// The smallest memory size that can be asked for, in bytes.
pub const MEMORY_BYTES_MIN: u64 = 4 << 20;

/// What a task may use at most; `None` is no limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Limits {
    /// Billionths of a processor.
    pub nano_cpus: Option<u64>,
    /// Bytes of memory.
    pub memory_bytes: Option<u64>,
    /// Processes and threads.
    pub pids: Option<u64>,
}

/// What is set aside for a task on its node; zero sets nothing aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Reservations {
    /// Billionths of a processor.
    pub nano_cpus: u64,
    /// Bytes of memory.
    pub memory_bytes: u64,
}

/// Says why an amount can't be asked for.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ResourceError {
    /// Below [`NANO_CPUS_MIN`].
    #[error("invalid cpu value {}: must be at least 0.001", *nano_cpus as f64 / 1e9)]
    TooLittleCpu {
        /// Billionths of a processor.
        nano_cpus: u64,
    },
    /// Below [`MEMORY_BYTES_MIN`].
    #[error("invalid memory value {bytes} bytes: must be at least 4 MiB")]
    TooLittleMemory {
        /// Bytes.
        bytes: u64,
    },
}

/// Checks a processor share; zero means "not given".
pub fn check_nano_cpus(nano_cpus: u64) -> Result<Option<u64>, ResourceError> {
    match nano_cpus {
        0 => Ok(None),
        1..NANO_CPUS_MIN => Err(ResourceError::TooLittleCpu { nano_cpus }),
        _ => Ok(Some(nano_cpus)),
    }
}

/// Checks a memory size; zero means "not given".
pub fn check_memory_bytes(bytes: u64) -> Result<Option<u64>, ResourceError> {
    match bytes {
        0 => Ok(None),
        1..MEMORY_BYTES_MIN => Err(ResourceError::TooLittleMemory { bytes }),
        _ => Ok(Some(bytes)),
    }
}
