//! Encryption at rest: a disk over a disk, on which every value is sealed under one data key.
//!
//! A value is sealed with XChaCha20-Poly1305 under a random nonce, bound to its table and key, so that
//! one value cannot be put in another's place. Keys are stored as they are, and putting an old value
//! of the same key back is not noticed.

mod data_key;
mod error;

pub use data_key::{DATA_KEY_BYTES, DataKey};
pub use error::SealError;

use std::ops::ControlFlow;

use chacha20poly1305::{
    XChaCha20Poly1305, XNonce,
    aead::{Aead, KeyInit, Payload},
};

use crate::disk::{Disk, DiskError, KeyRange, KeyValue, Op, Table, Visitor, show};

/// The newest format of sealed values that this program reads, and the one it writes.
pub const SEAL_FORMAT: u32 = 1;

const NONCE_BYTES: usize = 24;
const FORMAT: Table = Table::new("seal");
const FORMAT_KEY: &[u8] = b"format";
/// What is sealed beside the format version, to tell a wrong key when the disk is opened.
const PROOF: &[u8] = b"shoal";

/// Seals every value before it reaches the disk below.
pub struct Sealed<D> {
    disk: D,
    cipher: XChaCha20Poly1305,
}

impl<D: Disk> Sealed<D> {
    /// Opens the disk under a data key; an empty disk is given its format record.
    ///
    /// # Errors
    ///
    /// [`SealError::WrongKey`], [`SealError::Newer`], [`SealError::BadFormat`], or the disk's own.
    pub fn open(disk: D, key: &DataKey) -> Result<Self, SealError> {
        let cipher = XChaCha20Poly1305::new(key.expose().into());
        let sealed = Self { disk, cipher };
        match sealed.disk.get(FORMAT, FORMAT_KEY)? {
            None => {
                let proof = sealed.seal(FORMAT, FORMAT_KEY, PROOF)?;
                let record = [SEAL_FORMAT.to_be_bytes().as_slice(), &proof].concat();
                sealed.disk.batch(vec![Op::put(FORMAT, FORMAT_KEY, record)])?;
            }
            Some(record) => {
                let (found, proof) = record.split_first_chunk().ok_or(SealError::BadFormat)?;
                let found = u32::from_be_bytes(*found);
                if found > SEAL_FORMAT {
                    return Err(SealError::Newer { found, known: SEAL_FORMAT });
                }
                sealed.unseal(FORMAT, FORMAT_KEY, proof).map_err(|_| SealError::WrongKey)?;
            }
        }
        Ok(sealed)
    }

    fn seal(&self, table: Table, key: &[u8], value: &[u8]) -> Result<Vec<u8>, DiskError> {
        let mut nonce = [0; NONCE_BYTES];
        getrandom::fill(&mut nonce).map_err(|source| DiskError::Random { source })?;
        let payload = Payload { msg: value, aad: &place(table, key) };
        let cipher_text = self.cipher.encrypt(XNonce::from_slice(&nonce), payload);
        Ok([&nonce[..], &cipher_text.expect("64 MiB are less than the cipher's limit")].concat())
    }

    fn unseal(&self, table: Table, key: &[u8], sealed: &[u8]) -> Result<Vec<u8>, DiskError> {
        let tampered = || DiskError::Tampered { table: table.name(), key: show(key) };
        let (nonce, cipher_text) = sealed.split_at_checked(NONCE_BYTES).ok_or_else(tampered)?;
        let payload = Payload { msg: cipher_text, aad: &place(table, key) };
        self.cipher.decrypt(XNonce::from_slice(nonce), payload).map_err(|_| tampered())
    }
}

impl<D: Disk> Disk for Sealed<D> {
    fn get(&self, table: Table, key: &[u8]) -> Result<Option<Vec<u8>>, DiskError> {
        self.disk.get(table, key)?.map(|sealed| self.unseal(table, key, &sealed)).transpose()
    }

    fn range(&self, table: Table, keys: &KeyRange, visit: &mut Visitor<'_>) -> Result<(), DiskError> {
        let mut failure = None;
        self.disk.range(table, keys, &mut |key, sealed| match self.unseal(table, &key, &sealed) {
            Ok(value) => visit(key, value),
            Err(error) => {
                failure = Some(error);
                ControlFlow::Break(())
            }
        })?;
        failure.map_or(Ok(()), Err)
    }

    fn last(&self, table: Table) -> Result<Option<KeyValue>, DiskError> {
        let Some((key, sealed)) = self.disk.last(table)? else { return Ok(None) };
        let value = self.unseal(table, &key, &sealed)?;
        Ok(Some((key, value)))
    }

    fn batch(&self, mut ops: Vec<Op>) -> Result<(), DiskError> {
        for op in &mut ops {
            if let Op::Put { table, key, value } = op {
                *value = self.seal(*table, key, value)?;
            }
        }
        self.disk.batch(ops)
    }

    fn waits(&self) -> bool {
        self.disk.waits()
    }
}

/// Names a value's place unambiguously: no table's name has a NUL.
fn place(table: Table, key: &[u8]) -> Vec<u8> {
    [table.name().as_bytes(), &[0], key].concat()
}
