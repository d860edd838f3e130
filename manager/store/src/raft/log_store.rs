//! Raft's log and vote on a disk, as openraft wants them.

use std::{
    fmt::Debug,
    ops::RangeBounds,
    sync::{Arc, Mutex},
};

use openraft::{
    LogId, LogState, OptionalSend, RaftLogId, RaftLogReader, RaftTypeConfig, StorageError, StorageIOError,
    Vote,
    storage::{LogFlushed, RaftLogStorage},
};
use serde::de::DeserializeOwned;

use super::{
    DiskThread, LogReader, RaftStoreError,
    codec::{decode, encode},
    log_reader::{ENTRY, LOG, LogIndex, last_log_id},
    tail::Tail,
};
use crate::disk::{Disk, KeyRange, Op, Table};

const META: Table = Table::new("raft-meta");
const VOTE: &str = "vote";
const COMMITTED: &str = "committed";
const PURGED: &str = "purged";

/// Keeps raft's log and vote on a disk.
///
/// Votes and entries are durable before they are acknowledged. The committed id is written along with
/// whatever is written next, because raft can do without it and it is not worth a sync of its own.
pub struct LogStore<C: RaftTypeConfig, D> {
    reader: LogReader<C, D>,
}

impl<C: RaftTypeConfig, D: Disk> LogStore<C, D> {
    /// Reads where the log begins and ends, and the vote.
    pub async fn open(disk: DiskThread<D>) -> Result<Self, RaftStoreError> {
        let index = disk.run(|disk| open::<C, D>(disk)).await?;
        Ok(Self { reader: LogReader { index: Arc::new(Mutex::new(index)), disk } })
    }

    async fn write(&self, ops: Vec<Op>) -> Result<(), RaftStoreError> {
        self.reader.disk.run(move |disk| Ok(disk.batch(ops)?)).await
    }

    /// Returns the operation that records the committed id.
    fn put_committed(&self) -> Result<Op, RaftStoreError> {
        let committed = self.reader.index().committed.clone();
        Ok(Op::put(META, COMMITTED, encode(COMMITTED, &committed)?))
    }

    async fn store_vote(&self, vote: &Vote<C::NodeId>) -> Result<(), RaftStoreError> {
        self.write(vec![Op::put(META, VOTE, encode(VOTE, vote)?)]).await?;
        self.reader.index().vote = Some(vote.clone());
        Ok(())
    }

    async fn store_entries(&self, entries: Vec<(LogId<C::NodeId>, Vec<u8>)>) -> Result<(), RaftStoreError> {
        let mut last = self.reader.index().last.clone();
        let mut ops = vec![self.put_committed()?];
        for (log_id, entry) in &entries {
            match &last {
                Some(last) if log_id.index > last.index + 1 => {
                    return Err(RaftStoreError::Gap { last: last.index, index: log_id.index });
                }
                // An entry may be written again in its place.
                Some(last) if log_id.index < last.index => {}
                _ => last = Some(log_id.clone()),
            }
            ops.push(Op::put(LOG, log_id.index.to_be_bytes(), entry.clone()));
        }
        self.write(ops).await?;
        let mut index = self.reader.index();
        index.last = last;
        for (log_id, entry) in entries {
            index.tail.push(log_id.index, entry.into());
        }
        Ok(())
    }

    async fn remove_from(&self, from: u64) -> Result<(), RaftStoreError> {
        let ops = vec![Op::remove_range(LOG, KeyRange::from(from.to_be_bytes()))];
        let last = self.reader.disk.run(move |disk| {
            disk.batch(ops)?;
            last_log_id::<C, D>(disk)
        });
        let last = last.await?;
        let mut index = self.reader.index();
        index.last = last.or_else(|| index.purged.clone());
        index.tail.truncate(from);
        Ok(())
    }

    async fn remove_upto(&self, upto: LogId<C::NodeId>) -> Result<(), RaftStoreError> {
        let after = upto.index.checked_add(1);
        let keys = after.map_or_else(KeyRange::all, |after| KeyRange::until(after.to_be_bytes()));
        let purged = Op::put(META, PURGED, encode(PURGED, &upto)?);
        self.write(vec![self.put_committed()?, purged, Op::remove_range(LOG, keys)]).await?;
        let mut index = self.reader.index();
        index.tail.purge(upto.index);
        if index.last.as_ref().is_none_or(|last| last.index <= upto.index) {
            index.last = Some(upto.clone());
        }
        index.purged = Some(upto);
        Ok(())
    }
}

fn open<C: RaftTypeConfig, D: Disk>(disk: &D) -> Result<LogIndex<C>, RaftStoreError> {
    let purged = record::<Option<LogId<C::NodeId>>, D>(disk, PURGED)?.flatten();
    Ok(LogIndex {
        vote: record(disk, VOTE)?,
        committed: record::<Option<LogId<C::NodeId>>, D>(disk, COMMITTED)?.flatten(),
        last: last_log_id::<C, D>(disk)?.or_else(|| purged.clone()),
        purged,
        tail: Tail::default(),
    })
}

fn record<T: DeserializeOwned, D: Disk>(disk: &D, what: &'static str) -> Result<Option<T>, RaftStoreError> {
    disk.get(META, what.as_bytes())?.map(|bytes| decode(what, &bytes)).transpose()
}

impl<C: RaftTypeConfig, D: Disk> RaftLogReader<C> for LogStore<C, D> {
    async fn try_get_log_entries<RB: RangeBounds<u64> + Clone + Debug + OptionalSend>(
        &mut self,
        range: RB,
    ) -> Result<Vec<C::Entry>, StorageError<C::NodeId>> {
        self.reader.try_get_log_entries(range).await
    }

    async fn limited_get_log_entries(
        &mut self,
        start: u64,
        end: u64,
    ) -> Result<Vec<C::Entry>, StorageError<C::NodeId>> {
        self.reader.limited_get_log_entries(start, end).await
    }
}

impl<C: RaftTypeConfig, D: Disk> RaftLogStorage<C> for LogStore<C, D> {
    type LogReader = LogReader<C, D>;

    async fn get_log_state(&mut self) -> Result<LogState<C>, StorageError<C::NodeId>> {
        let index = self.reader.index();
        Ok(LogState { last_purged_log_id: index.purged.clone(), last_log_id: index.last.clone() })
    }

    async fn get_log_reader(&mut self) -> Self::LogReader {
        self.reader.clone()
    }

    async fn save_vote(&mut self, vote: &Vote<C::NodeId>) -> Result<(), StorageError<C::NodeId>> {
        Ok(self.store_vote(vote).await.map_err(|error| StorageIOError::write_vote(error.for_raft()))?)
    }

    async fn read_vote(&mut self) -> Result<Option<Vote<C::NodeId>>, StorageError<C::NodeId>> {
        Ok(self.reader.index().vote.clone())
    }

    async fn save_committed(
        &mut self,
        committed: Option<LogId<C::NodeId>>,
    ) -> Result<(), StorageError<C::NodeId>> {
        self.reader.index().committed = committed;
        Ok(())
    }

    async fn read_committed(&mut self) -> Result<Option<LogId<C::NodeId>>, StorageError<C::NodeId>> {
        Ok(self.reader.index().committed.clone())
    }

    async fn append<I>(&mut self, entries: I, callback: LogFlushed<C>) -> Result<(), StorageError<C::NodeId>>
    where
        I: IntoIterator<Item = C::Entry> + OptionalSend,
        I::IntoIter: OptionalSend,
    {
        let encoded: Result<Vec<_>, RaftStoreError> = entries
            .into_iter()
            .map(|entry| Ok((entry.get_log_id().clone(), encode(ENTRY, &entry)?)))
            .collect();
        let stored = match encoded {
            Ok(entries) => self.store_entries(entries).await,
            Err(error) => Err(error),
        };
        stored.map_err(|error| StorageIOError::write_logs(error.for_raft()))?;
        callback.log_io_completed(Ok(()));
        Ok(())
    }

    async fn truncate(&mut self, log_id: LogId<C::NodeId>) -> Result<(), StorageError<C::NodeId>> {
        let truncated = self.remove_from(log_id.index).await;
        Ok(truncated.map_err(|error| StorageIOError::write_logs(error.for_raft()))?)
    }

    async fn purge(&mut self, log_id: LogId<C::NodeId>) -> Result<(), StorageError<C::NodeId>> {
        let purged = self.remove_upto(log_id).await;
        Ok(purged.map_err(|error| StorageIOError::write_logs(error.for_raft()))?)
    }
}
