//! What is wrong with a message that another program sent.

use std::error::Error;

/// Says which field of a machine-sent message is malformed.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// A field that must be there is not.
    #[error("field `{field}` is missing")]
    Missing {
        /// The field.
        field: &'static str,
    },
    /// A number that stands for nothing this program knows.
    #[error(
        "field `{field}` has the number {number}, which this program does not know; the sender may be newer"
    )]
    UnknownNumber {
        /// The field.
        field: &'static str,
        /// What it holds.
        number: i32,
    },
    /// A value of the right kind that is not well formed.
    #[error("field `{field}` is malformed")]
    Malformed {
        /// The field.
        field: &'static str,
        /// What is wrong with it.
        #[source]
        source: Box<dyn Error + Send + Sync>,
    },
}

/// The value of a field that must be there.
pub(super) fn present<T>(field: &'static str, value: Option<T>) -> Result<T, WireError> {
    value.ok_or(WireError::Missing { field })
}

/// The value of a field that is written as text or built of parts of its own.
pub(super) fn well_formed<T, E>(field: &'static str, result: Result<T, E>) -> Result<T, WireError>
where
    E: Error + Send + Sync + 'static,
{
    result.map_err(|source| WireError::Malformed { field, source: Box::new(source) })
}

/// The enum value a number stands for.
pub(super) fn known<W: TryFrom<i32>>(field: &'static str, number: i32) -> Result<W, WireError> {
    W::try_from(number).map_err(|_| WireError::UnknownNumber { field, number })
}
