//! Content digests, and the ids that are made of them.

use std::fmt;
use std::io::{self, Read};
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

/// Names the problem with a text that should be a digest.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DigestError {
    /// The algorithm is not the one every registry and builder uses.
    #[error("digest `{text}` does not use sha256, the only algorithm that is supported")]
    Algorithm {
        /// What was given.
        text: String,
    },
    /// The part after the colon is not 64 lowercase hexadecimal digits.
    #[error("digest `{text}` must be `sha256:` and 64 lowercase hexadecimal digits")]
    Form {
        /// What was given.
        text: String,
    },
}

/// Reports content that is not what its digest promised.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "{what} has digest {got}, but {expected} was expected: the content was altered or damaged, get it again"
)]
pub struct DigestMismatch {
    /// The content, in words.
    pub what: String,
    /// The digest the content was asked for by.
    pub expected: Digest,
    /// The digest of the bytes that came.
    pub got: Digest,
}

/// Identifies content by the SHA-256 of its bytes; written `sha256:<64 hex digits>`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Digest([u8; 32]);

impl Digest {
    /// Computes the digest of `bytes`.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// Returns the 64 hexadecimal digits without the algorithm.
    pub fn hex(&self) -> String {
        hex::encode(self.0)
    }

    /// Reads 64 lowercase hexadecimal digits without the algorithm, such as a blob's file name.
    pub(crate) fn from_hex(digits: &str) -> Option<Self> {
        let lowercase = |byte: u8| matches!(byte, b'0'..=b'9' | b'a'..=b'f');
        if !digits.bytes().all(lowercase) {
            return None;
        }
        let mut bytes = [0; 32];
        hex::decode_to_slice(digits, &mut bytes).ok()?;
        Some(Self(bytes))
    }

    /// Says whether `what` with digest `got` is the content that was asked for.
    pub(crate) fn check(&self, got: Digest, what: impl fmt::Display) -> Result<(), DigestMismatch> {
        if *self == got {
            return Ok(());
        }
        Err(DigestMismatch { what: what.to_string(), expected: *self, got })
    }
}

impl FromStr for Digest {
    type Err = DigestError;

    fn from_str(text: &str) -> Result<Self, DigestError> {
        let Some(digits) = text.strip_prefix("sha256:") else {
            return Err(DigestError::Algorithm { text: text.to_owned() });
        };
        Self::from_hex(digits).ok_or_else(|| DigestError::Form { text: text.to_owned() })
    }
}

impl TryFrom<String> for Digest {
    type Error = DigestError;

    fn try_from(text: String) -> Result<Self, DigestError> {
        text.parse()
    }
}

impl From<Digest> for String {
    fn from(digest: Digest) -> Self {
        digest.to_string()
    }
}

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "sha256:{}", self.hex())
    }
}

impl fmt::Debug for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// Identifies an image: the digest of its config, as Docker counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ImageId(pub Digest);

/// Identifies the content of a layer: the digest of its uncompressed archive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct DiffId(pub Digest);

impl fmt::Display for ImageId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl fmt::Display for DiffId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// Computes a digest piece by piece.
#[derive(Default)]
pub(crate) struct Digester(Sha256);

impl Digester {
    pub(crate) fn update(&mut self, bytes: &[u8]) {
        self.0.update(bytes);
    }

    pub(crate) fn finish(self) -> Digest {
        Digest(self.0.finalize().into())
    }
}

/// Computes the digest of everything that is read through it.
pub(crate) struct DigestingReader<R> {
    input: R,
    digester: Digester,
}

impl<R: Read> DigestingReader<R> {
    pub(crate) fn new(input: R) -> Self {
        Self { input, digester: Digester::default() }
    }

    pub(crate) fn finish(self) -> Digest {
        self.digester.finish()
    }
}

impl<R: Read> Read for DigestingReader<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.input.read(buffer)?;
        self.digester.update(&buffer[..count]);
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_digest_reads_back_what_it_writes() {
        let digest = Digest::of(b"abc");
        assert_eq!(
            digest.to_string(),
            "sha256:ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
        );
        assert_eq!(digest.to_string().parse(), Ok(digest));
    }

    #[test]
    fn another_algorithm_and_a_short_digest_are_told_apart() {
        let text = format!("sha512:{}", "0".repeat(128));
        assert_eq!(text.parse::<Digest>(), Err(DigestError::Algorithm { text }));
        for text in ["sha256:abc", &format!("sha256:{}", "A".repeat(64))] {
            assert_eq!(text.parse::<Digest>(), Err(DigestError::Form { text: text.to_owned() }));
        }
    }
}
