//! Reading the raft log, from memory where possible.

use std::{
    fmt::Debug,
    ops::{Bound, ControlFlow, RangeBounds},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use openraft::{
    LogId, NodeId, OptionalSend, RaftLogId, RaftLogReader, RaftTypeConfig, StorageError, StorageIOError, Vote,
};

use super::{
    DiskThread, RaftStoreError,
    codec::{decode_entry, index},
    tail::{Encoded, Tail},
};
use crate::disk::{Disk, KeyRange, Table};

/// The log's entries, each under its index as a big-endian `u64`.
pub(super) const LOG: Table = Table::new("raft-log");
pub(super) const ENTRY: &str = "a log entry";

/// The most that one message to a follower should carry, in bytes of encoded entries: well below
/// the 4 MiB that gRPC takes by default.
const MESSAGE_BYTES: usize = 1 << 20;

/// What is known of the log without reading the disk.
#[derive(Debug)]
pub(super) struct LogIndex<C: RaftTypeConfig> {
    pub(super) vote: Option<Vote<C::NodeId>>,
    pub(super) committed: Option<LogId<C::NodeId>>,
    pub(super) purged: Option<LogId<C::NodeId>>,
    pub(super) last: Option<LogId<C::NodeId>>,
    pub(super) tail: Tail,
}

/// Reads the log for a replication task.
pub struct LogReader<C: RaftTypeConfig, D> {
    pub(super) index: Arc<Mutex<LogIndex<C>>>,
    pub(super) disk: DiskThread<D>,
}

impl<C: RaftTypeConfig, D> Clone for LogReader<C, D> {
    fn clone(&self) -> Self {
        Self { index: self.index.clone(), disk: self.disk.clone() }
    }
}

impl<C: RaftTypeConfig, D: Disk> LogReader<C, D> {
    pub(super) fn index(&self) -> MutexGuard<'_, LogIndex<C>> {
        // Nothing panics while it is half changed.
        self.index.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Reads the entries of a range that are there, at least one of them, until they exceed a number of bytes.
    async fn read(&self, start: u64, end: u64, bytes: usize) -> Result<Vec<C::Entry>, RaftStoreError> {
        let (start, end, held) = {
            let index = self.index();
            let start = index.purged.as_ref().map_or(start, |purged| start.max(purged.index + 1));
            let end = index.last.as_ref().map_or(0, |last| end.min(last.index + 1));
            (start, end, index.tail.get(start, end))
        };
        if start >= end {
            return Ok(Vec::new());
        }
        let encoded = match held {
            Some(encoded) => encoded,
            None => self.disk.run(move |disk| stored(disk, start, end, bytes)).await?,
        };
        let mut decoded = Vec::new();
        let mut size = 0usize;
        for (index, entry) in encoded {
            size = size.saturating_add(entry.len());
            if size > bytes && !decoded.is_empty() {
                break;
            }
            decoded.push(decode_entry(index, &entry)?);
        }
        Ok(decoded)
    }
}

/// Reads encoded entries and their indexes from the disk, at least one, until they exceed a number of bytes.
fn stored<D: Disk>(disk: &D, start: u64, end: u64, bytes: usize) -> Result<Encoded, RaftStoreError> {
    let mut entries = Encoded::new();
    let mut size = 0usize;
    let mut failure = None;
    let keys = KeyRange::between(start.to_be_bytes(), end.to_be_bytes());
    disk.range(LOG, &keys, &mut |key, entry| {
        let last = entries.last().map(|(index, _)| *index);
        match index(&key) {
            Ok(index) if last.is_none_or(|last| index == last + 1) => {
                size = size.saturating_add(entry.len());
                entries.push((index, entry.into()));
                return if size > bytes { ControlFlow::Break(()) } else { ControlFlow::Continue(()) };
            }
            Ok(_) => failure = Some(RaftStoreError::Damaged { what: "the order of log entries" }),
            Err(error) => failure = Some(error),
        }
        ControlFlow::Break(())
    })?;
    failure.map_or(Ok(entries), Err)
}

impl<C: RaftTypeConfig, D: Disk> RaftLogReader<C> for LogReader<C, D> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<C::Entry>, StorageError<C::NodeId>> {
        let start = match range.start_bound() {
            Bound::Included(&start) => start,
            Bound::Excluded(&before) => before.saturating_add(1),
            Bound::Unbounded => 0,
        };
        let end = match range.end_bound() {
            Bound::Included(&last) => last.saturating_add(1),
            Bound::Excluded(&end) => end,
            Bound::Unbounded => u64::MAX,
        };
        self.read(start, end, usize::MAX).await.map_err(read_failed)
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<C::Entry>, StorageError<C::NodeId>> {
        self.read(start, end, MESSAGE_BYTES).await.map_err(read_failed)
    }
}

fn read_failed<N: NodeId>(error: RaftStoreError) -> StorageError<N> {
    StorageIOError::read_logs(error.for_raft()).into()
}

/// Reads the last entry of the log from the disk, or returns `None` if the log is empty.
pub(super) fn last_log_id<C: RaftTypeConfig, D: Disk>(
    disk: &D,
) -> Result<Option<LogId<C::NodeId>>, RaftStoreError> {
    let Some((key, entry)) = disk.last(LOG)? else { return Ok(None) };
    let index = index(&key)?;
    let entry: C::Entry = decode_entry(index, &entry)?;
    let log_id = entry.get_log_id().clone();
    if log_id.index == index { Ok(Some(log_id)) } else { Err(RaftStoreError::Damaged { what: ENTRY }) }
}
