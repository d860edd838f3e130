//! How the consensus group keeps time.

use openraft::{Config, ConfigError, SnapshotPolicy};

/// How often a leader tells that it is there, in milliseconds.
const HEARTBEAT_MS: u64 = 100;
/// How long a manager waits before it stands for election, in milliseconds. openraft adds the upper
/// bound to it for as long as it believes in a leader, which makes 1.05 to 1.4 s without a sign of
/// one: ten heartbeats may be lost, or a busy machine be that late.
pub const ELECTION_MS: std::ops::Range<u64> = 350..700;
/// How long one piece of a snapshot may take.
const SNAPSHOT_PIECE_MS: u64 = 10_000;
/// Size of a piece of a snapshot in bytes; well below what a gRPC message may hold.
const SNAPSHOT_PIECE_BYTES: u64 = 1 << 20;
/// Entries sent to a follower in one message.
const ENTRIES_PER_MESSAGE: u64 = 64;
/// Entries kept behind a snapshot, for followers that are a little late.
const ENTRIES_KEPT: u64 = 500;

/// The settings for a cluster's group.
pub fn settings(cluster: &str) -> Result<Config, ConfigError> {
    Config {
        cluster_name: cluster.to_owned(),
        heartbeat_interval: HEARTBEAT_MS,
        election_timeout_min: ELECTION_MS.start,
        election_timeout_max: ELECTION_MS.end,
        install_snapshot_timeout: SNAPSHOT_PIECE_MS,
        snapshot_max_chunk_size: SNAPSHOT_PIECE_BYTES,
        // Taken by `snapshots`, whose interval people can change while the cluster runs.
        snapshot_policy: SnapshotPolicy::Never,
        max_payload_entries: ENTRIES_PER_MESSAGE,
        max_in_snapshot_log_to_keep: ENTRIES_KEPT,
        ..Config::default()
    }
    .validate()
}
