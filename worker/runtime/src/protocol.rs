//! What is said on a shim's socket: JSON, a line each. Several clients may be connected at once.

use crate::exit_record::ExitRecord;
use proto::model::{Signal, service::LogConfig};
use serde::{Deserialize, Serialize};
use std::{path::PathBuf, time::Duration};

/// What the shim needs beside the OCI spec.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ShimConfig {
    /// The container's id for libcontainer.
    pub id: String,
    /// Folders of the image's layers, the lowest first.
    pub lower_dirs: Vec<PathBuf>,
    /// How much output is kept.
    pub log: LogConfig,
    /// What asks the main process to end.
    pub stop_signal: Signal,
}

/// What a client asks of a shim. Each is answered with one [`Event`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "command", rename_all = "snake_case")]
pub(crate) enum Command {
    /// Answered with [`Event::Started`].
    Status,
    /// Sends a signal to the main process; answered with [`Event::Signalled`].
    Signal {
        /// Which.
        signal: Signal,
    },
    /// Sends the container's stop signal; answered with [`Event::Signalled`].
    Stop,
    /// Keeps what comes along open as long as the container runs, in place of what was held before; answered with
    /// [`Event::Holding`].
    Hold,
    /// Gives what is held; answered with [`Event::Holding`], along with which it comes.
    Held,
}

/// What a shim tells.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub(crate) enum Event {
    /// The main process runs.
    Started {
        /// Its id, as the host sees it.
        pid: u32,
    },
    /// The signal was sent.
    Signalled,
    /// So many descriptors are held.
    Holding {
        /// How many.
        count: usize,
    },
    /// The command was not understood or could not be carried out.
    Refused {
        /// Why.
        reason: String,
    },
    /// The container ended, or could not be started. Told to every client, as the last thing.
    Ended(ExitRecord),
}

/// What is to be run in a container beside its own program.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct ExecRequest {
    /// The program and its arguments.
    pub args: Vec<String>,
    /// When it is ended.
    pub timeout: Duration,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub(crate) enum ExecAnswer {
    /// It ended.
    Ended {
        /// Its exit code, or 128 plus the number of the signal that ended it.
        code: i32,
    },
    /// Its time was over, and it was ended.
    TimedOut {
        /// What shells say of that.
        code: i32,
    },
    /// It could not be started.
    NotStarted {
        /// Why, in words for the user.
        reason: String,
    },
}

/// A message as a line.
pub(crate) fn line(message: &impl Serialize) -> Vec<u8> {
    let mut line = serde_json::to_vec(message).expect("the messages have no maps with keys other than text");
    line.push(b'\n');
    line
}
