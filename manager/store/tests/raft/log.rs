//! The log store: what survives a restart, what is refused, and how much is read at once.

use manager_store::{
    disk::{Disk, MemDisk, SledDisk},
    raft::{DiskThread, LogStore, RaftStoreError},
};
use openraft::{
    CommittedLeaderId, Entry, EntryPayload, LogId, RaftLogReader, Vote,
    storage::{RaftLogStorage, RaftLogStorageExt},
};

use crate::machine::Types;

fn id(index: u64) -> LogId<u64> {
    LogId::new(CommittedLeaderId::new(1, 1), index)
}

fn entry(index: u64, bytes: usize) -> Entry<Types> {
    Entry { log_id: id(index), payload: EntryPayload::Normal(vec![index as u8; bytes]) }
}

async fn open<D: Disk>(disk: D) -> Result<LogStore<Types, D>, RaftStoreError> {
    LogStore::open(DiskThread::start(disk)?).await
}

async fn indexes<D: Disk>(log: &mut LogStore<Types, D>) -> Vec<u64> {
    log.try_get_log_entries(..).await.unwrap().iter().map(|entry| entry.log_id.index).collect()
}

#[tokio::test]
async fn log_vote_and_purge_survive_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let mut log = open(SledDisk::open(dir.path()).unwrap()).await.unwrap();
    log.save_vote(&Vote::new_committed(1, 1)).await.unwrap();
    log.blocking_append((0..10).map(|index| entry(index, 5_000))).await.unwrap();
    log.save_committed(Some(id(5))).await.unwrap();
    log.truncate(id(8)).await.unwrap();
    log.purge(id(2)).await.unwrap();
    let state = log.get_log_state().await.unwrap();
    let entries = log.try_get_log_entries(..).await.unwrap();
    drop(log);

    let mut log = open(SledDisk::open(dir.path()).unwrap()).await.unwrap();
    assert_eq!(log.read_vote().await.unwrap(), Some(Vote::new_committed(1, 1)));
    assert_eq!(log.read_committed().await.unwrap(), Some(id(5)));
    assert_eq!(log.get_log_state().await.unwrap(), state);
    assert_eq!((state.last_purged_log_id, state.last_log_id), (Some(id(2)), Some(id(7))));
    assert_eq!(indexes(&mut log).await, [3, 4, 5, 6, 7]);
    assert!(log.try_get_log_entries(..).await.unwrap() == entries);
}

#[tokio::test]
async fn an_entry_that_would_leave_a_gap_is_refused_and_the_log_goes_on() {
    let mut log = open(MemDisk::new()).await.unwrap();
    log.blocking_append([entry(1, 1)]).await.unwrap();
    let refused = log.blocking_append([entry(3, 1)]).await.unwrap_err();
    assert!(refused.to_string().contains("log entry 3 does not follow the last one, 1"), "{refused}");
    log.blocking_append([entry(2, 1)]).await.unwrap();
    assert_eq!(indexes(&mut log).await, [1, 2]);
}

#[tokio::test]
async fn a_full_disk_is_told_to_raft_and_nothing_is_acknowledged() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone()).await.unwrap();
    log.blocking_append([entry(1, 1)]).await.unwrap();
    disk.set_full(true);
    let refused = log.blocking_append([entry(2, 1)]).await.unwrap_err();
    assert!(refused.to_string().contains("no space left"), "{refused}");
    let refused = log.save_vote(&Vote::new(2, 1)).await.unwrap_err();
    assert!(refused.to_string().contains("no space left"), "{refused}");
    assert_eq!(log.read_vote().await.unwrap(), None);
    assert_eq!(indexes(&mut log).await, [1]);
    disk.set_full(false);
    assert_eq!(indexes(&mut open(disk).await.unwrap()).await, [1]);
}

#[tokio::test]
async fn a_message_to_a_follower_is_bounded_but_never_empty() {
    let disk = MemDisk::new();
    let mut log = open(disk.clone()).await.unwrap();
    log.blocking_append((0..8).map(|index| entry(index, 400 << 10))).await.unwrap();
    log.blocking_append([entry(8, 3 << 20)]).await.unwrap();
    // From memory, then from the disk.
    let restarted = open(disk).await.unwrap();
    for mut log in [log, restarted] {
        assert_eq!(log.limited_get_log_entries(0, 9).await.unwrap().len(), 2);
        assert_eq!(log.limited_get_log_entries(8, 9).await.unwrap().len(), 1);
        assert_eq!(indexes(&mut log).await.len(), 9);
    }
}

#[tokio::test]
async fn a_reader_sees_what_is_appended_and_removed_after_it_was_made() {
    let mut log = open(MemDisk::new()).await.unwrap();
    let mut reader = log.get_log_reader().await;
    log.blocking_append((0..6).map(|index| entry(index, 1))).await.unwrap();
    log.truncate(id(4)).await.unwrap();
    log.purge(id(0)).await.unwrap();
    let read = reader.try_get_log_entries(0..=9).await.unwrap();
    assert_eq!(read.iter().map(|entry| entry.log_id.index).collect::<Vec<_>>(), [1, 2, 3]);
}
