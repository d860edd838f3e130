//! Limits of the kernel on each process of a container (getrlimit(2)), `NAME=SOFT:HARD`.

use serde::{Deserialize, Serialize};
use std::{fmt, str::FromStr};

/// What is limited, by the names that docker and limits.conf(5) have.
const NAMES: [&str; 15] = [
    "core",
    "cpu",
    "data",
    "fsize",
    "locks",
    "memlock",
    "msgqueue",
    "nice",
    "nofile",
    "nproc",
    "rss",
    "rtprio",
    "rttime",
    "sigpending",
    "stack",
];

/// What stands for no limit.
const UNLIMITED: &str = "-1";

/// A limit on each process of a container.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Ulimit {
    name: String,
    soft: Option<u64>,
    hard: Option<u64>,
}

/// Says why a text is not a limit.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UlimitError {
    /// It has another form.
    #[error(
        "`{0}` is not a limit: write NAME=SOFT[:HARD], such as nofile=1024:4096; {UNLIMITED} is no limit"
    )]
    Form(String),
    /// There is no limit of this name.
    #[error("there is no limit `{0}`: use one of {known}", known = NAMES.join(", "))]
    Name(String),
    /// The soft limit is above the hard one.
    #[error("`{0}`: the soft limit can't be above the hard one")]
    Order(String),
}

impl Ulimit {
    /// What is limited: one of docker's names, such as `nofile`.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// What holds at first, in the kernel's unit for it; `None` is no limit.
    pub fn soft(&self) -> Option<u64> {
        self.soft
    }

    /// What a process may raise it to; `None` is no limit.
    pub fn hard(&self) -> Option<u64> {
        self.hard
    }
}

impl FromStr for Ulimit {
    type Err = UlimitError;

    fn from_str(text: &str) -> Result<Self, UlimitError> {
        let shown = || text.chars().take(60).collect::<String>();
        let wrong = || UlimitError::Form(shown());
        let (name, values) = text.split_once('=').ok_or_else(wrong)?;
        if !NAMES.contains(&name) {
            return Err(UlimitError::Name(name.chars().take(60).collect()));
        }
        let (soft, hard) = values.split_once(':').unwrap_or((values, values));
        let (soft, hard) = (value(soft).ok_or_else(wrong)?, value(hard).ok_or_else(wrong)?);
        // No limit is above every other one.
        let above = |limit: Option<u64>| limit.map_or((1, 0), |limit| (0, limit));
        if above(soft) > above(hard) {
            return Err(UlimitError::Order(shown()));
        }
        Ok(Self { name: name.to_owned(), soft, hard })
    }
}

/// Reads a number; the outer `None` is for what is none.
fn value(text: &str) -> Option<Option<u64>> {
    match text {
        UNLIMITED => Some(None),
        number => number.parse().ok().map(Some),
    }
}

impl fmt::Display for Ulimit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |limit: Option<u64>| limit.map_or(UNLIMITED.to_owned(), |limit| limit.to_string());
        write!(f, "{}={}:{}", self.name, shown(self.soft), shown(self.hard))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_number_is_both_limits() {
        for (text, normal) in [
            ("nofile=1024", "nofile=1024:1024"),
            ("nofile=1024:4096", "nofile=1024:4096"),
            ("memlock=-1", "memlock=-1:-1"),
            ("core=0:-1", "core=0:-1"),
        ] {
            assert_eq!(text.parse::<Ulimit>().unwrap().to_string(), normal);
        }
    }

    #[test]
    fn what_is_no_limit_is_refused_with_what_would_be_one() {
        for (text, says) in [
            ("nofile", "write NAME=SOFT[:HARD]"),
            ("nofile=many", "write NAME=SOFT[:HARD]"),
            ("nofile=1:2:3", "write NAME=SOFT[:HARD]"),
            ("nofile=-2", "write NAME=SOFT[:HARD]"),
            ("files=1", "use one of core, cpu,"),
            ("nofile=2:1", "can't be above"),
            ("nofile=-1:1", "can't be above"),
        ] {
            let refused = text.parse::<Ulimit>().unwrap_err().to_string();
            assert!(refused.contains(says), "{text}: {refused}");
        }
    }
}
