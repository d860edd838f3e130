//! Signals by name or number, as users write them.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// A Linux signal, 1 to 64.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "i32", into = "i32")]
pub struct Signal(i32);

/// Says why a text is not a signal.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not a signal: use a name such as SIGTERM or QUIT, or a number from 1 to 64")]
pub struct SignalError(String);

/// Names by number, from signal(7) for x86 and ARM.
const NAMES: [&str; 31] = [
    "HUP", "INT", "QUIT", "ILL", "TRAP", "ABRT", "BUS", "FPE", "KILL", "USR1", "SEGV", "USR2", "PIPE",
    "ALRM", "TERM", "STKFLT", "CHLD", "CONT", "STOP", "TSTP", "TTIN", "TTOU", "URG", "XCPU", "XFSZ",
    "VTALRM", "PROF", "WINCH", "IO", "PWR", "SYS",
];
/// The first real-time signal applications may use.
const RT_MIN: i32 = 34;
const RT_MAX: i32 = 64;

impl Signal {
    /// Asks a process to end.
    pub const TERM: Signal = Signal(15);
    /// Ends a process without asking.
    pub const KILL: Signal = Signal(9);

    /// The number the kernel knows it by.
    pub const fn number(self) -> i32 {
        self.0
    }
}

impl TryFrom<i32> for Signal {
    type Error = SignalError;

    fn try_from(number: i32) -> Result<Self, SignalError> {
        if (1..=RT_MAX).contains(&number) { Ok(Signal(number)) } else { Err(SignalError(number.to_string())) }
    }
}

impl From<Signal> for i32 {
    fn from(signal: Signal) -> i32 {
        signal.0
    }
}

impl FromStr for Signal {
    type Err = SignalError;

    fn from_str(text: &str) -> Result<Self, SignalError> {
        let refuse = || SignalError(text.chars().take(40).collect());
        if let Ok(number) = text.parse::<i32>() {
            return Signal::try_from(number).map_err(|_| refuse());
        }
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        if let Some(place) = NAMES.iter().position(|&known| known == name) {
            return Ok(Signal(place as i32 + 1));
        }
        let real_time = match (name.strip_prefix("RTMIN"), name.strip_prefix("RTMAX")) {
            (Some(""), _) => Some(RT_MIN),
            (_, Some("")) => Some(RT_MAX),
            (Some(plus), _) => {
                plus.strip_prefix('+').and_then(|n| n.parse::<u8>().ok()).map(|n| RT_MIN + i32::from(n))
            }
            (_, Some(minus)) => {
                minus.strip_prefix('-').and_then(|n| n.parse::<u8>().ok()).map(|n| RT_MAX - i32::from(n))
            }
            _ => None,
        };
        real_time.filter(|n| (RT_MIN..=RT_MAX).contains(n)).map(Signal).ok_or_else(refuse)
    }
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match NAMES.get(self.0 as usize - 1) {
            Some(name) => write!(f, "SIG{name}"),
            None => write!(f, "{}", self.0),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signals_are_read_as_people_write_them() {
        for (text, number) in
            [("SIGTERM", 15), ("kill", 9), ("3", 3), ("RTMIN+3", 37), ("SIGRTMAX-1", 63), ("WINCH", 28)]
        {
            assert_eq!(text.parse(), Signal::try_from(number), "{text}");
        }
        for bad in ["", "0", "65", "SIGNOPE", "RTMIN+40", "-1"] {
            assert!(bad.parse::<Signal>().is_err(), "{bad}");
        }
    }
}
