//! Reads a container's log, and follows it while the container runs.

use super::{files, line::LogEntry, lines_of::LinesOf, options::LogOptions};
use crate::container_dir::ContainerDir;
use std::{
    collections::VecDeque,
    fs::File,
    io,
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

/// How often a log that is followed is looked at by the blocking iterator.
const STEP: Duration = Duration::from_millis(50);

/// Says why a log can't be read.
#[derive(Debug, thiserror::Error)]
pub enum LogError {
    /// The folder can't be listed; most likely the container was removed.
    #[error("can't list the log files in `{path}`; was the container removed?")]
    List {
        /// The folder.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file can't be read.
    #[error("can't read log file `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
}

/// What a log has to offer at the moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// An entry.
    Entry(LogEntry),
    /// Nothing yet; ask again in a while.
    Pending,
    /// There will be nothing more.
    End,
}

/// A log being read. As an iterator it blocks while it waits for the container to write.
pub struct LogReader {
    folder: PathBuf,
    exit_record: PathBuf,
    options: LogOptions,
    current: Option<Current>,
    /// The container has ended, and with it its log: what is read now is the last.
    ended: bool,
    finished: bool,
}

struct Current {
    number: u64,
    lines: LinesOf,
    /// There is a newer file, so nothing more is written to this one.
    complete: bool,
}

/// Begins to read a container's log.
pub fn read(container: &ContainerDir, options: LogOptions) -> Result<LogReader, LogError> {
    let folder = container.logs();
    let mut reader = LogReader {
        exit_record: container.exit_record(),
        options,
        current: None,
        ended: false,
        finished: false,
        folder,
    };
    reader.current = match options.tail {
        Some(count) => reader.open_tail(count)?,
        None => reader.open_after(0)?,
    };
    Ok(reader)
}

impl LogReader {
    /// The next entry, without waiting for the container. Waits for the disk.
    pub fn poll_next(&mut self) -> Result<Next, LogError> {
        while !self.finished {
            let Some(line) = self.next_line()? else {
                if self.go_on()? {
                    continue;
                }
                return Ok(if self.finished { Next::End } else { Next::Pending });
            };
            // What is not an entry was torn by a crash or a full disk.
            let Some(entry) = LogEntry::decode(&line) else { continue };
            if self.options.until.is_some_and(|until| entry.time > until) {
                self.finished = true;
            } else if self.options.want(&entry) {
                return Ok(Next::Entry(entry));
            }
        }
        Ok(Next::End)
    }

    fn next_line(&mut self) -> Result<Option<Vec<u8>>, LogError> {
        let Some(current) = &mut self.current else { return Ok(None) };
        let path = || files::path(&self.folder, current.number);
        current.lines.next_line().map_err(|source| LogError::Read { path: path(), source })
    }

    /// At the end of a file: whether to read again. Whatever says that nothing more will be written is
    /// looked at *before* the last read, so that nothing written in between is missed.
    fn go_on(&mut self) -> Result<bool, LogError> {
        let number = self.current.as_ref().map_or(0, |current| current.number);
        match &mut self.current {
            Some(current) if !current.complete => {
                current.complete = list(&self.folder)?.iter().any(|&other| other > number);
                if current.complete {
                    return Ok(true);
                }
            }
            _ => {
                if let Some(next) = self.open_after(number)? {
                    self.current = Some(next);
                    return Ok(true);
                }
            }
        }
        if self.ended || !self.options.follow {
            self.finished = true;
            return Ok(false);
        }
        self.ended = self.exit_record.exists();
        Ok(self.ended)
    }

    /// Opens the oldest file with a number above this one.
    fn open_after(&self, number: u64) -> Result<Option<Current>, LogError> {
        for next in list(&self.folder)?.into_iter().filter(|&other| other > number) {
            // It is gone if the log was rotated meanwhile; then the one after it is the oldest.
            if let Some(current) = self.open(next, 0)? {
                return Ok(Some(current));
            }
        }
        Ok(None)
    }

    fn open(&self, number: u64, place: u64) -> Result<Option<Current>, LogError> {
        let path = files::path(&self.folder, number);
        match File::open(&path).and_then(|file| LinesOf::new(file, place)) {
            Ok(lines) => Ok(Some(Current { number, lines, complete: false })),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(source) => Err(LogError::Read { path, source }),
        }
    }

    /// Opens the log at the place after which `count` wanted entries come, going back from the newest.
    fn open_tail(&self, count: usize) -> Result<Option<Current>, LogError> {
        let mut missing = count;
        let mut begin = None;
        for number in list(&self.folder)?.into_iter().rev() {
            let Some(mut current) = self.open(number, 0)? else { break };
            let (places, end) = self.wanted_places(&mut current, missing)?;
            missing -= places.len();
            begin = Some((number, places.front().copied().unwrap_or(if begin.is_none() { end } else { 0 })));
            if missing == 0 {
                break;
            }
        }
        match begin {
            Some((number, place)) => self.open(number, place),
            None => Ok(None),
        }
    }

    /// Where the last `most` wanted entries of a file begin, and where its last complete line ends.
    fn wanted_places(&self, current: &mut Current, most: usize) -> Result<(VecDeque<u64>, u64), LogError> {
        let mut places = VecDeque::new();
        loop {
            let place = current.lines.place();
            let path = || files::path(&self.folder, current.number);
            let line = current.lines.next_line().map_err(|source| LogError::Read { path: path(), source })?;
            let Some(line) = line else { return Ok((places, place)) };
            if LogEntry::decode(&line).is_some_and(|entry| self.options.want(&entry)) {
                places.push_back(place);
                if places.len() > most {
                    places.pop_front();
                }
            }
        }
    }
}

impl Iterator for LogReader {
    type Item = Result<LogEntry, LogError>;

    fn next(&mut self) -> Option<Self::Item> {
        loop {
            match self.poll_next() {
                Ok(Next::Entry(entry)) => return Some(Ok(entry)),
                Ok(Next::Pending) => thread::sleep(STEP),
                Ok(Next::End) => return None,
                Err(error) => {
                    self.finished = true;
                    return Some(Err(error));
                }
            }
        }
    }
}

fn list(folder: &Path) -> Result<Vec<u64>, LogError> {
    files::numbers(folder).map_err(|source| LogError::List { path: folder.into(), source })
}
