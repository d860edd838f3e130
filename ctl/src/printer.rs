//! The only place that prints: data to standard output, everything else to standard error.

use crate::error::CliError;
use std::io::{self, IsTerminal, Write};

/// Where output goes, and whether it may be coloured or drawn over.
#[derive(Debug)]
pub struct Printer {
    stderr_is_terminal: bool,
    colour: bool,
}

/// Says that standard output can't be written.
#[derive(Debug, thiserror::Error)]
#[error("cannot write to standard output")]
pub struct OutputError(#[source] pub io::Error);

/// Columns of a terminal that does not tell.
const WIDTH_UNKNOWN: usize = 80;

impl Printer {
    /// Looks at the terminal and at `NO_COLOR` and `TERM`.
    pub fn from_environment() -> Self {
        let stderr_is_terminal = io::stderr().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_none_or(|term| term == "dumb");
        Self {
            stderr_is_terminal: stderr_is_terminal && !dumb,
            colour: stderr_is_terminal && !refused && !dumb,
        }
    }

    /// Writes data.
    pub fn data(&self, bytes: impl AsRef<[u8]>) -> Result<(), OutputError> {
        let mut out = io::stdout().lock();
        out.write_all(bytes.as_ref()).and_then(|()| out.flush()).map_err(OutputError)
    }

    /// Writes data and a line end.
    pub fn line(&self, text: &str) -> Result<(), OutputError> {
        self.data(format!("{text}\n"))
    }

    /// Tells something beside the data.
    pub fn note(&self, text: &str) {
        self.aside(format!("{text}\n"));
    }

    /// Writes bytes beside the data: drawings, and what tasks wrote to their standard error.
    pub fn aside(&self, bytes: impl AsRef<[u8]>) {
        // With standard error gone there is nowhere left to complain.
        let _ = io::stderr().lock().write_all(bytes.as_ref());
    }

    /// Tells why the command failed.
    pub fn failure(&self, error: &CliError) {
        let word = if self.colour { "\x1b[1;31merror:\x1b[0m" } else { "error:" };
        self.note(&format!("shoal: {word} {}", error.report()));
    }

    /// Columns of the terminal that standard error is; `None` if it is none and lines must stay.
    pub fn drawing_width(&self) -> Option<usize> {
        let size = self.stderr_is_terminal.then(|| rustix::termios::tcgetwinsize(io::stderr()))?;
        Some(size.map_or(WIDTH_UNKNOWN, |size| usize::from(size.ws_col)).max(1))
    }
}
