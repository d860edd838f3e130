//! Object ids: 128 random bits, written as 25 base-36 characters; a type per kind.

use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};
use std::{fmt, hash::Hash, marker::PhantomData, str::FromStr};

/// Length of an id in characters. 36^25 is larger than 2^128, so every value fits.
pub const ID_CHARS: usize = 25;

const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";

/// A kind of object; it keeps a node's id from being passed where a task's is meant.
pub trait Kind {
    /// The word used for the kind in messages.
    const NAME: &'static str;
}

/// Identifies one object of kind `K` for ever; ids are never reused.
pub struct Id<K> {
    bits: u128,
    kind: PhantomData<fn() -> K>,
}

macro_rules! kinds {
    ($($(#[$doc:meta])* $kind:ident, $alias:ident, $name:literal;)*) => {$(
        $(#[$doc])*
        pub enum $kind {}
        impl Kind for $kind {
            const NAME: &'static str = $name;
        }
        $(#[$doc])*
        pub type $alias = Id<$kind>;
    )*};
}

kinds! {
    /// The id of a cluster.
    ClusterKind, ClusterId, "cluster";
    /// The id of a node; also the common name of its certificate.
    NodeKind, NodeId, "node";
    /// The id of a secret or config.
    PayloadIdKind, PayloadId, "secret or config";
    /// The id of a network.
    NetworkKind, NetworkId, "network";
    /// The id of a service.
    ServiceKind, ServiceId, "service";
    /// The id of a stack.
    StackKind, StackId, "stack";
    /// The id of a task; also the id of its container.
    TaskKind, TaskId, "task";
}

impl<K> Id<K> {
    /// Makes an id of 128 bits, which the caller has drawn at random.
    pub const fn from_bits(bits: u128) -> Self {
        Self { bits, kind: PhantomData }
    }

    /// The 128 bits of the id.
    pub const fn bits(self) -> u128 {
        self.bits
    }

    /// The first `chars` characters, for names in the kernel that are short. They come from the
    /// random bits' most significant end, so they differ between ids as much as the ids do.
    pub fn short(self, chars: usize) -> String {
        // The first character of 25 carries less than 4 bits; skipping it makes the rest uniform.
        self.to_string()[1..].chars().take(chars).collect()
    }
}

/// Where new ids come from: randomness in the product, a seed in simulation.
pub trait IdSource {
    /// The next 128 bits.
    fn next_bits(&mut self) -> u128;

    /// The next id of the kind wanted.
    fn next_id<K>(&mut self) -> Id<K>
    where
        Self: Sized,
    {
        Id::from_bits(self.next_bits())
    }
}

/// Says why a text is not an id.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a {kind} id: an id is {ID_CHARS} characters of 0-9 and a-z")]
pub struct IdError {
    kind: &'static str,
    text: String,
}

impl<K: Kind> FromStr for Id<K> {
    type Err = IdError;

    fn from_str(text: &str) -> Result<Self, IdError> {
        let refuse = || IdError { kind: K::NAME, text: text.chars().take(64).collect() };
        if text.len() != ID_CHARS {
            return Err(refuse());
        }
        let bits = text.bytes().try_fold(0u128, |bits, byte| {
            let digit = DIGITS.iter().position(|&d| d == byte)? as u128;
            bits.checked_mul(36)?.checked_add(digit)
        });
        bits.map(Self::from_bits).ok_or_else(refuse)
    }
}

impl<K> fmt::Display for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut text = [b'0'; ID_CHARS];
        let mut rest = self.bits;
        for place in text.iter_mut().rev() {
            *place = DIGITS[(rest % 36) as usize];
            rest /= 36;
        }
        f.pad(std::str::from_utf8(&text).expect("base-36 digits are ASCII"))
    }
}

impl<K> fmt::Debug for Id<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

// Derives would ask the same of `K`, which is only a name.
impl<K> Clone for Id<K> {
    fn clone(&self) -> Self {
        *self
    }
}
impl<K> Copy for Id<K> {}
impl<K> PartialEq for Id<K> {
    fn eq(&self, other: &Self) -> bool {
        self.bits == other.bits
    }
}
impl<K> Eq for Id<K> {}
impl<K> PartialOrd for Id<K> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}
impl<K> Ord for Id<K> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.bits.cmp(&other.bits)
    }
}
impl<K> Hash for Id<K> {
    fn hash<H: std::hash::Hasher>(&self, state: &mut H) {
        self.bits.hash(state);
    }
}

impl<K> Serialize for Id<K> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de, K: Kind> Deserialize<'de> for Id<K> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn an_id_is_read_back_from_its_text(bits: u128) {
            let id = TaskId::from_bits(bits);
            let text = id.to_string();
            prop_assert_eq!(text.len(), ID_CHARS);
            prop_assert_eq!(text.parse(), Ok(id));
        }

        #[test]
        fn no_text_makes_the_parser_panic(text: String) {
            let _ = text.parse::<NodeId>();
        }
    }

    #[test]
    fn a_text_beyond_128_bits_is_refused() {
        assert!("zzzzzzzzzzzzzzzzzzzzzzzzz".parse::<NodeId>().is_err());
    }
}
