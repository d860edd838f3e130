//! What happened, as lines of text: the last ones are kept, all of them are hashed.

use std::{
    collections::VecDeque,
    fmt::{self, Write},
    time::Duration,
};

/// Lines that a failure shows.
const LINES_KEPT: usize = 40;

/// The environment variable that has every line printed.
const PRINT: &str = "SHOAL_TRACE";

/// The events of a history. Two histories with the same hash went the same way.
#[derive(Debug)]
pub struct Trace {
    hash: u64,
    kept: VecDeque<String>,
    print: bool,
}

impl Default for Trace {
    fn default() -> Self {
        // The offset of FNV-1a.
        Self { hash: 0xcbf2_9ce4_8422_2325, kept: VecDeque::new(), print: std::env::var_os(PRINT).is_some() }
    }
}

impl Trace {
    /// Notes what happens at a time.
    pub fn note(&mut self, at: Duration, what: fmt::Arguments<'_>) {
        let mut line = match self.kept.len() {
            LINES_KEPT => self.kept.pop_front().unwrap_or_default(),
            _ => String::new(),
        };
        line.clear();
        write!(line, "{:>10.3}  {what}", at.as_secs_f64()).expect("a string takes every text");
        if self.print {
            println!("{line}");
        }
        self.count(line.as_bytes());
        self.kept.push_back(line);
    }

    /// Notes something that happens so often that no line is kept of it.
    pub fn count(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.hash = (self.hash ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    /// A number that stands for everything that happened so far.
    pub fn hash(&self) -> u64 {
        self.hash
    }

    /// The last lines, the oldest one first.
    pub fn last(&self) -> impl Iterator<Item = &str> {
        self.kept.iter().map(String::as_str)
    }
}
