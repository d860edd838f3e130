//! Writes a log and keeps it within its limits.

use super::{
    files,
    line::{LogEntry, Stream},
};
use jiff::Timestamp;
use proto::model::service::LogConfig;
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The file a container's output goes to, and the limits.
pub(crate) struct LogWriter {
    folder: PathBuf,
    limits: LogConfig,
    number: u64,
    file: File,
    written: u64,
    /// Whether the last line may be incomplete, after a write that failed.
    torn: bool,
    failure: Option<io::Error>,
}

impl LogWriter {
    /// Begins a log in an empty folder.
    pub fn create(folder: PathBuf, limits: LogConfig) -> io::Result<Self> {
        let file = new_file(&folder, 1)?;
        Ok(Self { folder, limits, number: 1, file, written: 0, torn: false, failure: None })
    }

    /// Adds an entry. If that fails, as on a full disk, the entry is dropped and the container goes
    /// on: see [`LogWriter::failure`].
    pub fn write(&mut self, stream: Stream, text: &[u8]) {
        let mut line = LogEntry::encode(Timestamp::now(), stream, text);
        if self.torn {
            line.insert(0, b'\n');
        }
        if let Err(error) = self.rotate_for(line.len() as u64).and_then(|()| self.file.write_all(&line)) {
            self.torn = true;
            self.failure.get_or_insert(error);
            return;
        }
        self.torn = false;
        self.written += line.len() as u64;
    }

    /// The first failure, if entries were dropped.
    pub fn failure(&self) -> Option<&io::Error> {
        self.failure.as_ref()
    }

    /// Goes on in a new file if the next line would not fit. A line that is too long for any file
    /// gets one of its own.
    fn rotate_for(&mut self, line_bytes: u64) -> io::Result<()> {
        if self.written == 0 || self.written + line_bytes <= self.limits.max_size_bytes {
            return Ok(());
        }
        self.file = new_file(&self.folder, self.number + 1)?;
        self.number += 1;
        self.written = 0;
        let kept = u64::from(self.limits.max_files.max(1));
        for old in files::numbers(&self.folder)?.into_iter().filter(|old| old + kept <= self.number) {
            fs::remove_file(files::path(&self.folder, old))?;
        }
        Ok(())
    }
}

fn new_file(folder: &Path, number: u64) -> io::Result<File> {
    OpenOptions::new().append(true).create(true).open(files::path(folder, number))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_so_many_files_of_such_a_size_are_kept() {
        let folder = tempfile::tempdir().unwrap();
        let limits = LogConfig { max_size_bytes: 200, max_files: 3 };
        let mut writer = LogWriter::create(folder.path().into(), limits).unwrap();
        for number in 0..50 {
            writer.write(Stream::Stdout, format!("line {number}\n").as_bytes());
        }
        assert!(writer.failure().is_none());
        let kept = files::numbers(folder.path()).unwrap();
        assert_eq!(kept.len(), 3);
        for number in kept {
            assert!(fs::metadata(files::path(folder.path(), number)).unwrap().len() <= 200);
        }
    }

    #[test]
    fn a_log_that_can_not_be_written_does_not_stop_the_container() {
        let folder = tempfile::tempdir().unwrap();
        let limits = LogConfig { max_size_bytes: 1, max_files: 1 };
        let mut writer = LogWriter::create(folder.path().into(), limits).unwrap();
        writer.write(Stream::Stdout, b"first\n");
        fs::remove_dir_all(folder.path()).unwrap();
        writer.write(Stream::Stdout, b"second\n");
        assert!(writer.failure().is_some());
    }
}
