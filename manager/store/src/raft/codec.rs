//! Records as bytes: MessagePack with named fields, so that fields can be added later.

use serde::{Serialize, de::DeserializeOwned};

use super::RaftStoreError;

pub(super) fn encode<T: Serialize>(what: &'static str, record: &T) -> Result<Vec<u8>, RaftStoreError> {
    rmp_serde::to_vec_named(record).map_err(|source| RaftStoreError::Encode { what, source })
}

pub(super) fn decode<T: DeserializeOwned>(what: &'static str, bytes: &[u8]) -> Result<T, RaftStoreError> {
    rmp_serde::from_slice(bytes).map_err(|source| RaftStoreError::Decode { what, source })
}

pub(super) fn decode_entry<T: DeserializeOwned>(index: u64, bytes: &[u8]) -> Result<T, RaftStoreError> {
    rmp_serde::from_slice(bytes).map_err(|source| RaftStoreError::DecodeEntry { index, source })
}

/// Decodes a log index from the key it is stored under.
pub(super) fn index(key: &[u8]) -> Result<u64, RaftStoreError> {
    let key = key.try_into().map_err(|_| RaftStoreError::Damaged { what: "the key of a log entry" })?;
    Ok(u64::from_be_bytes(key))
}
