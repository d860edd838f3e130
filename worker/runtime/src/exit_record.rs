//! How a container ended, kept on disk so that no restart of the daemon can lose it.

use proto::model::{ExitStatus, Timestamp};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// How a container ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// When it was noticed.
    pub at: Timestamp,
    /// What happened.
    pub outcome: Outcome,
    /// What went wrong in cleaning up, in words; usually nothing.
    pub problems: Vec<String>,
}

/// What became of a container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Its main process ended.
    Exited {
        /// The exit code; 128 plus the signal's number if a signal ended it.
        code: i32,
        /// Whether the kernel killed something in it because its memory was used up.
        oom_killed: bool,
    },
    /// It was never started.
    NotStarted {
        /// Why, in words for the user.
        reason: String,
    },
    /// Its supervisor ended before it did, so nobody knows its exit code. It was killed.
    SupervisorDied {
        /// What the supervisor wrote last, if anything.
        last_words: String,
    },
}

/// Says what could not be done with a record.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// It can't be written.
    #[error("can't write exit record `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It can't be read.
    #[error("can't read exit record `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// It is not a record.
    #[error("exit record `{path}` is damaged; remove the task's container to go on")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl ExitRecord {
    /// The status as the managers see it; `None` if the container never ran.
    pub fn status(&self) -> Option<ExitStatus> {
        match self.outcome {
            Outcome::Exited { code, oom_killed } => Some(ExitStatus { code, oom_killed }),
            Outcome::NotStarted { .. } => None,
            Outcome::SupervisorDied { .. } => Some(ExitStatus { code: 128 + 9, oom_killed: false }),
        }
    }

    /// Why it failed, in words for the user; `None` if its exit code says everything.
    pub fn error(&self) -> Option<String> {
        match &self.outcome {
            Outcome::Exited { oom_killed: true, .. } => Some("its memory limit was reached".into()),
            Outcome::Exited { .. } => None,
            Outcome::NotStarted { reason } => Some(reason.clone()),
            Outcome::SupervisorDied { last_words } if last_words.is_empty() => {
                Some("its supervisor died".into())
            }
            Outcome::SupervisorDied { last_words } => Some(format!("its supervisor died: {last_words}")),
        }
    }

    /// Writes the record so that after a power cut it is there whole, or not at all.
    pub fn write(&self, path: &Path) -> Result<(), RecordError> {
        let write = || {
            let folder = path.parent().unwrap_or(Path::new("."));
            let draft = path.with_extension("json.new");
            let mut file = File::create(&draft)?;
            serde_json::to_writer(&mut file, self)?;
            file.flush()?;
            file.sync_all()?;
            fs::rename(&draft, path)?;
            File::open(folder)?.sync_all()
        };
        write().map_err(|source| RecordError::Write { path: path.into(), source })
    }

    /// Reads a record; `None` if there is none.
    pub fn read(path: &Path) -> Result<Option<Self>, RecordError> {
        let bytes = match fs::read(path) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::Read { path: path.into(), source }),
        };
        let read = serde_json::from_slice(&bytes);
        read.map(Some).map_err(|source| RecordError::Damaged { path: path.into(), source })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back_and_nothing_else_is_left() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exit.json");
        assert_eq!(ExitRecord::read(&path).unwrap(), None);
        let outcome = Outcome::Exited { code: 137, oom_killed: true };
        let record = ExitRecord { at: Timestamp(5), outcome, problems: vec!["late".into()] };
        record.write(&path).unwrap();
        assert_eq!(ExitRecord::read(&path).unwrap(), Some(record));
        assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_damaged_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("exit.json");
        fs::write(&path, "{").unwrap();
        let error = ExitRecord::read(&path).unwrap_err();
        assert!(error.to_string().contains("exit.json"), "{error}");
    }
}
