//! A process, told apart from a later one with the same number.

use std::{fmt, fs, io, str::FromStr};

/// A process by number and the moment it began.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct ProcessId {
    /// Its number.
    pub pid: i32,
    /// When it began, in clock ticks after the machine did (proc(5), `starttime`).
    began: u64,
}

impl ProcessId {
    /// The calling process.
    pub fn own() -> io::Result<Self> {
        let pid = i32::try_from(std::process::id()).map_err(io::Error::other)?;
        Ok(Self { pid, began: began(pid)? })
    }

    /// Whether it still runs. A process that ended and was not collected yet does not.
    pub fn is_alive(self) -> bool {
        began(self.pid).is_ok_and(|began| began == self.began)
    }
}

fn began(pid: i32) -> io::Result<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The second field is the program's name, which may contain anything, in parentheses.
    let after_name = stat.rsplit_once(')').map_or("", |(_, rest)| rest);
    let mut fields = after_name.split_whitespace();
    match (fields.next(), fields.nth(18).and_then(|field| field.parse().ok())) {
        (Some("Z" | "X"), _) => Err(io::ErrorKind::NotFound.into()),
        (_, Some(began)) => Ok(began),
        (_, None) => {
            Err(io::Error::new(io::ErrorKind::InvalidData, format!("/proc/{pid}/stat has no start time")))
        }
    }
}

impl fmt::Display for ProcessId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.pid, self.began)
    }
}

/// Says that a text names no process.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a process's number and start time")]
pub(crate) struct ProcessIdError;

impl FromStr for ProcessId {
    type Err = ProcessIdError;

    fn from_str(text: &str) -> Result<Self, ProcessIdError> {
        let (pid, began) = text.trim().split_once(' ').ok_or(ProcessIdError)?;
        let pid = pid.parse().ok().filter(|pid| *pid > 0).ok_or(ProcessIdError)?;
        Ok(Self { pid, began: began.parse().map_err(|_| ProcessIdError)? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_process_is_known_again_and_a_later_one_is_not_taken_for_it() {
        let own = ProcessId::own().unwrap();
        let read: ProcessId = own.to_string().parse().unwrap();
        assert!(read.is_alive());
        assert!(!ProcessId { began: own.began + 1, ..own }.is_alive());
    }

    #[test]
    fn a_damaged_file_names_no_process() {
        for text in ["", "12", "x 1", "-1 5", "0 5"] {
            assert_eq!(text.parse::<ProcessId>(), Err(ProcessIdError), "{text}");
        }
    }
}
