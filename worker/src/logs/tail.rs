//! Reads one container's log in chunks, and follows it, without holding a thread while nothing comes.

use super::Outlet;
use crate::board::Board;
use jiff::Timestamp;
use proto::{
    model::{TaskId, TaskState},
    wire::{LogChunk, LogLine, LogOptions, log_line},
};
use std::time::Duration;
use tokio::{
    task::{JoinError, spawn_blocking},
    time::sleep,
};
use worker_runtime::logs::{self, LogEntry, LogError, LogReader, Next, Stream};

/// How often a log that is followed is looked at.
const STEP: Duration = Duration::from_millis(100);

/// A chunk is sent when it has this many bytes.
const CHUNK_BYTES: usize = 64 << 10;

/// Why a log can't be read.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    #[error("task {task} is not on this node any more")]
    NoTask { task: TaskId },
    #[error("time {millis} ms since 1970 is out of range")]
    Time {
        millis: i64,
        #[source]
        source: jiff::Error,
    },
    #[error("cannot read the log of task {task}")]
    Log {
        task: TaskId,
        #[source]
        source: LogError,
    },
    #[error("the reader of the log of task {task} was ended")]
    Ended {
        task: TaskId,
        #[source]
        source: JoinError,
    },
}

/// Sends a task's log until its end, or until nobody takes it.
pub(super) async fn read(
    outlet: &Outlet,
    board: &Board,
    task: TaskId,
    options: LogOptions,
) -> Result<(), TailError> {
    let options = wanted(options)?;
    if !has_begun(board, task, options.follow).await? {
        return Ok(());
    }
    let container = board.container(task);
    let mut reader = blocking(task, move || logs::read(&container, options)).await?;
    loop {
        let chunk = blocking(task, move || next_chunk(reader)).await?;
        if !chunk.lines.is_empty() {
            let lines = chunk.lines;
            if !outlet.send(Some(LogChunk { task_id: task.to_string(), lines, warning: String::new() })).await
            {
                return Ok(());
            }
        }
        match chunk.then {
            Then::Read => {}
            Then::Wait => sleep(STEP).await,
            Then::End => return Ok(()),
        }
        reader = chunk.reader;
    }
}

/// Waits until the task has a container, if its log is followed; `false` if there is nothing to read.
async fn has_begun(board: &Board, task: TaskId, follow: bool) -> Result<bool, TailError> {
    loop {
        let state = board.state(task).ok_or(TailError::NoTask { task })?;
        if board.container(task).logs().exists() {
            return Ok(true);
        }
        if !follow || state > TaskState::Starting {
            return Ok(false);
        }
        sleep(STEP).await;
    }
}

fn wanted(options: LogOptions) -> Result<logs::LogOptions, TailError> {
    let time = |millis: i64| {
        Timestamp::from_millisecond(millis).map_err(|source| TailError::Time { millis, source })
    };
    Ok(logs::LogOptions {
        stdout: options.stdout,
        stderr: options.stderr,
        since: options.since.map(time).transpose()?,
        until: options.until.map(time).transpose()?,
        tail: options.tail.map(|lines| usize::try_from(lines).unwrap_or(usize::MAX)),
        follow: options.follow,
    })
}

struct Chunk {
    reader: LogReader,
    lines: Vec<LogLine>,
    then: Then,
}

enum Then {
    Read,
    Wait,
    End,
}

fn next_chunk(mut reader: LogReader) -> Result<Chunk, LogError> {
    let (mut lines, mut bytes) = (Vec::new(), 0);
    let then = loop {
        match reader.poll_next()? {
            Next::Entry(entry) => {
                bytes += entry.text.len();
                lines.push(line(entry));
                if bytes >= CHUNK_BYTES {
                    break Then::Read;
                }
            }
            Next::Pending => break Then::Wait,
            Next::End => break Then::End,
        }
    };
    Ok(Chunk { reader, lines, then })
}

fn line(entry: LogEntry) -> LogLine {
    let stream = match entry.stream {
        Stream::Stdout => log_line::Stream::Stdout,
        Stream::Stderr => log_line::Stream::Stderr,
    };
    // Nanoseconds fit until the year 2262.
    let at_ns = i64::try_from(entry.time.as_nanosecond()).unwrap_or(i64::MAX);
    LogLine { at_ns, stream: stream.into(), data: entry.text.into_bytes() }
}

async fn blocking<T: Send + 'static>(
    task: TaskId,
    read: impl FnOnce() -> Result<T, LogError> + Send + 'static,
) -> Result<T, TailError> {
    let read = spawn_blocking(read).await.map_err(|source| TailError::Ended { task, source })?;
    read.map_err(|source| TailError::Log { task, source })
}
