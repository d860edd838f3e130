//! What a secret or config holds: bytes that are never printed, and wiped when the last holder is gone.

use super::PayloadKind;
use serde::{
    Deserialize, Deserializer, Serialize, Serializer,
    de::{Error as _, SeqAccess, Visitor},
};
use std::{fmt, sync::Arc};
use zeroize::Zeroizing;

/// What a secret or config holds. Clones share it.
#[derive(Clone, PartialEq, Eq)]
pub struct Content(Arc<Zeroizing<Vec<u8>>>);

/// Says why bytes can't be a content.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// There are none.
    #[error("there is nothing in it: give a file that is not empty, or pipe something in")]
    Empty,
    /// There are too many.
    #[error("it has {bytes} bytes, and a {kind} has less than {}: put what is larger into an image or a volume", .kind.content_bytes_end())]
    TooLarge {
        /// What it was to be.
        kind: PayloadKind,
        /// How many there are.
        bytes: usize,
    },
}

impl Content {
    /// Takes bytes of a size that the kind allows.
    pub fn new(kind: PayloadKind, bytes: Vec<u8>) -> Result<Self, ContentError> {
        let bytes = Zeroizing::new(bytes);
        match bytes.len() {
            0 => Err(ContentError::Empty),
            bytes if bytes >= kind.content_bytes_end() => Err(ContentError::TooLarge { kind, bytes }),
            _ => Ok(Self(Arc::new(bytes))),
        }
    }

    /// Takes bytes that were checked before.
    pub fn checked(bytes: Vec<u8>) -> Self {
        Self(Arc::new(Zeroizing::new(bytes)))
    }

    /// The bytes.
    pub fn bytes(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for Content {
    /// Says how much there is, never what.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Content({} bytes)", self.0.len())
    }
}

impl Serialize for Content {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_bytes(&self.0)
    }
}

impl<'de> Deserialize<'de> for Content {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_byte_buf(Bytes).map(Self::checked)
    }
}

/// Reads bytes, which some formats write as a list of numbers.
struct Bytes;

impl<'de> Visitor<'de> for Bytes {
    type Value = Vec<u8>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("bytes")
    }

    fn visit_bytes<E: serde::de::Error>(self, bytes: &[u8]) -> Result<Vec<u8>, E> {
        Ok(bytes.to_vec())
    }

    fn visit_byte_buf<E: serde::de::Error>(self, bytes: Vec<u8>) -> Result<Vec<u8>, E> {
        Ok(bytes)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Vec<u8>, A::Error> {
        let mut bytes = Vec::new();
        while let Some(byte) = list.next_element()? {
            if bytes.len() >= PayloadKind::Config.content_bytes_end() {
                return Err(A::Error::custom("more bytes than any secret or config has"));
            }
            bytes.push(byte);
        }
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_docker() {
        for (kind, end) in [(PayloadKind::Secret, 512_000), (PayloadKind::Config, 1_024_000)] {
            assert_eq!(Content::new(kind, Vec::new()), Err(ContentError::Empty));
            assert!(Content::new(kind, vec![0]).is_ok() && Content::new(kind, vec![0; end - 1]).is_ok());
            assert_eq!(Content::new(kind, vec![0; end]), Err(ContentError::TooLarge { kind, bytes: end }));
        }
        let said = ContentError::TooLarge { kind: PayloadKind::Secret, bytes: 9 }.to_string();
        assert!(said.starts_with("it has 9 bytes, and a secret has less than 512000"), "{said}");
    }

    #[test]
    fn a_content_is_never_printed_and_is_read_back() {
        let content = Content::new(PayloadKind::Secret, b"hunter2\xff".to_vec()).unwrap();
        assert_eq!(format!("{content:?}"), "Content(8 bytes)");
        let wire = crate::wire::Content { data: content.bytes().to_vec() };
        assert_eq!(format!("{wire:?}"), "Content(8 bytes)");
        let written = serde_json::to_vec(&content).unwrap();
        assert_eq!(serde_json::from_slice::<Content>(&written).unwrap(), content);
    }
}
