//! The real disk: sled, tamed so that what it acknowledges survives a power cut.
//!
//! As it comes, sled 0.34 calls `sync_file_range` where it should sync, and its `flush` lost
//! acknowledged writes in nearly every power cut tried. Here every batch is flushed and then synced
//! with `fdatasync` before it is acknowledged, rows are short enough that sled keeps them all in its
//! log, and what it creates or renames while it opens is synced too (see `files.rs`).
//!
//! sled writes new data over segments of its log that it has freed. That is safe although it does not
//! sync in between: a batch holds back the mark up to which sled takes its log for stable, and only
//! that mark frees segments; so what took their data's place was written, and synced, by an earlier
//! batch.
//!
//! The log does not grow without end: it stayed below six times the most that was alive at once, plus
//! 8 MiB (see `tests/bounds.rs`), so there is nothing to compact.

use std::{
    fs::File,
    ops::ControlFlow,
    path::Path,
    sync::{PoisonError, RwLock, RwLockReadGuard},
    thread,
    time::{Duration, Instant},
};

use super::{
    Disk, DiskError, EngineError, KeyRange, KeyValue, Op, Table, Visitor,
    error::show,
    files::Files,
    guarded::guarded,
    op,
    rows::{self, Fault},
};

/// The newest layout of rows that this program reads, and the one it writes.
pub const DISK_FORMAT: u32 = 1;

/// No table begins with a NUL, so this row is nobody's.
const FORMAT_ROW: &[u8] = b"\0format";

/// The most memory that sled's page cache takes, in bytes.
const CACHE_BYTES: u64 = 16 << 20;

/// How long to wait for the threads of a database that this process has just closed.
const CLOSING: Duration = Duration::from_secs(5);

/// Keeps tables in a sled database in a directory of its own.
#[derive(Debug)]
pub struct SledDisk {
    db: sled::Db,
    /// A second handle on sled's log, which sled itself does not sync.
    log: File,
    files: Files,
    /// Set when a write has failed: what sled then has in memory may not be what it has on disk.
    stopped: RwLock<bool>,
    /// Released last, when sled has closed its files.
    _lock: File,
}

impl SledDisk {
    /// Opens the database in `dir`, or creates one there; waits up to five seconds for this process
    /// to finish closing it.
    ///
    /// # Errors
    ///
    /// [`DiskError::InUse`], [`DiskError::Damaged`], [`DiskError::Newer`], [`DiskError::Full`],
    /// [`DiskError::Spilled`] or [`DiskError::Prepare`].
    pub fn open(dir: &Path) -> Result<Self, DiskError> {
        let files = Files::create(dir)?;
        let lock = files.lock()?;
        files.remove_unfinished()?;
        let db = open_sled(&files)?;
        let log = files.settle()?;
        if files.spilled().map_err(|source| DiskError::Prepare { path: files.blobs(), source })? {
            return Err(DiskError::Spilled { path: files.blobs() });
        }
        let disk = Self { db, log, files, stopped: RwLock::new(false), _lock: lock };
        disk.check_format()?;
        Ok(disk)
    }

    /// Returns the length of sled's log, in bytes.
    pub fn size(&self) -> Result<u64, DiskError> {
        Ok(self.log.metadata().map_err(|source| self.read_failed(source.into()))?.len())
    }

    fn check_format(&self) -> Result<(), DiskError> {
        let dir = || self.files.dir().to_owned();
        let damaged = |source| DiskError::Damaged { path: dir(), source };
        let (record, empty) =
            guarded(|| Ok((self.db.get(FORMAT_ROW)?, self.db.is_empty()))).map_err(damaged)?;
        let Some(record) = record else {
            if !empty {
                return Err(damaged(EngineError::Foreign(
                    "it has no format record, so it is not one of ours",
                )));
            }
            let mut rows = sled::Batch::default();
            rows.insert(FORMAT_ROW, &DISK_FORMAT.to_be_bytes());
            return self.commit(rows);
        };
        let found = <[u8; 4]>::try_from(&*record).map(u32::from_be_bytes);
        match found.map_err(|_| damaged(EngineError::Foreign("its format record is not a number")))? {
            found if found > DISK_FORMAT => Err(DiskError::Newer { path: dir(), found, known: DISK_FORMAT }),
            _ => Ok(()),
        }
    }

    /// Writes rows, all or none, and waits until they are on the device.
    fn commit(&self, rows: sled::Batch) -> Result<(), DiskError> {
        let written: Result<bool, EngineError> = guarded(|| {
            self.db.apply_batch(rows)?;
            self.db.flush()?;
            self.log.sync_data()?;
            Ok(self.files.spilled()?)
        });
        match written {
            Ok(false) => Ok(()),
            Ok(true) => Err(DiskError::Spilled { path: self.files.blobs() }),
            Err(source) => {
                let path = self.files.dir().to_owned();
                Err(if source.is_full() {
                    DiskError::Full { path, source }
                } else {
                    DiskError::Write { path, source }
                })
            }
        }
    }

    /// Makes one call to sled that reads from a table.
    fn read<T>(&self, table: Table, read: impl FnOnce() -> Result<T, Fault>) -> Result<T, DiskError> {
        guarded(read).map_err(|fault| match fault {
            Fault::Engine(source) => self.read_failed(source),
            Fault::Incomplete(key) => DiskError::Incomplete { table: table.name(), key: show(&key) },
        })
    }

    fn read_failed(&self, source: EngineError) -> DiskError {
        DiskError::Read { path: self.files.dir().to_owned(), source }
    }

    /// Keeps writers out, and refuses if a write has failed.
    fn reading(&self) -> Result<RwLockReadGuard<'_, bool>, DiskError> {
        let stopped = self.stopped.read().unwrap_or_else(PoisonError::into_inner);
        if *stopped { Err(DiskError::Stopped) } else { Ok(stopped) }
    }
}

impl Disk for SledDisk {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        let _reading = self.reading()?;
        self.read(table, || rows::get(&self.db, table, key))
    }

    fn range(&self, table: Table, keys: &KeyRange, visit: &mut Visitor<'_>) -> Result<(), DiskError> {
        let _reading = self.reading()?;
        let Some(mut range) = rows::range(&self.db, table, keys) else { return Ok(()) };
        while let Some((key, value)) = self.read(table, || rows::next(&mut range, table))? {
            if visit(key, value) == ControlFlow::Break(()) {
                break;
            }
        }
        Ok(())
    }

    fn last(&self, table: Table) -> Result<Option<KeyValue>, DiskError> {
        let _reading = self.reading()?;
        self.read(table, || rows::last(&self.db, table))
    }

    fn batch(&self, ops: Vec<Op>) -> Result<(), DiskError> {
        op::check(&ops)?;
        let mut stopped = self.stopped.write().unwrap_or_else(PoisonError::into_inner);
        if *stopped {
            return Err(DiskError::Stopped);
        }
        // Stays so unless all goes well.
        *stopped = true;
        let rows = guarded(|| rows::plan(&self.db, ops)).map_err(|source| self.read_failed(source))?;
        self.commit(rows)?;
        *stopped = false;
        Ok(())
    }

    fn waits(&self) -> bool {
        true
    }
}

fn open_sled(files: &Files) -> Result<sled::Db, DiskError> {
    let path = files.sled();
    let deadline = Instant::now() + CLOSING;
    loop {
        let config = sled::Config::new().path(&path).cache_capacity(CACHE_BYTES).flush_every_ms(None);
        match guarded(|| Ok(config.open()?)) {
            Ok(db) => return Ok(db),
            // We hold the directory's lock, so this can only be a thread of a database that this
            // process has closed and whose last write is just ending.
            Err(source) if is_locked(&source) => {
                if Instant::now() > deadline {
                    return Err(DiskError::InUse { path: files.dir().to_owned() });
                }
                thread::sleep(Duration::from_millis(5));
            }
            Err(source) if source.is_full() => {
                return Err(DiskError::Full { path: files.dir().to_owned(), source });
            }
            Err(source) => return Err(DiskError::Damaged { path: files.dir().to_owned(), source }),
        }
    }
}

/// Says whether sled could not lock its file; it has no error of its own for that.
fn is_locked(error: &EngineError) -> bool {
    matches!(error, EngineError::Sled(sled::Error::Io(source)) if source.to_string().starts_with("could not acquire lock"))
}
