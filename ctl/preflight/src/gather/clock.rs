//! Asks the kernel for the time, and whether something keeps it right.
#![allow(unsafe_code)]

use crate::facts::{Clock, Discipline};
use nix::libc;
use std::{
    io, mem,
    time::{Duration, SystemTime},
};

/// Looks at the clock.
pub fn clock() -> Clock {
    let unix_seconds = match SystemTime::now().duration_since(SystemTime::UNIX_EPOCH) {
        Ok(since) => i64::try_from(since.as_secs()).unwrap_or(i64::MAX),
        Err(before) => i64::try_from(before.duration().as_secs()).map_or(i64::MIN, |seconds| -seconds),
    };
    Clock {
        unix_seconds,
        discipline: discipline().map_err(|error| format!("the kernel does not tell: {error}")),
    }
}

fn discipline() -> io::Result<Discipline> {
    // SAFETY: `timex` is a struct of integers, for which all zeros is a value. `modes` is zero with it,
    // so that nothing is set.
    let mut told: libc::timex = unsafe { mem::zeroed() };
    // SAFETY: the pointer is to a `timex` that is ours alone and lives longer than the call.
    if unsafe { libc::adjtimex(&raw mut told) } < 0 {
        return Err(io::Error::last_os_error());
    }
    Ok(Discipline {
        is_synchronised: told.status & libc::STA_UNSYNC == 0,
        error_max: Duration::from_micros(u64::try_from(told.maxerror).unwrap_or(0)),
    })
}
