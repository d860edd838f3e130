//! Calls into sled, whose panics become errors.

use std::{
    any::Any,
    panic::{AssertUnwindSafe, catch_unwind},
};

use super::EngineError;

/// Calls sled; a panic of sled's is an error like any other, because it panics on damage that it finds.
///
/// Whoever gets an error back from a write uses the database no more, so that no state that the
/// panic left half changed is ever looked at.
pub(super) fn guarded<T, E: From<EngineError>>(call: impl FnOnce() -> Result<T, E>) -> Result<T, E> {
    catch_unwind(AssertUnwindSafe(call))
        .unwrap_or_else(|panic| Err(EngineError::Panic(message(&*panic)).into()))
}

fn message(panic: &(dyn Any + Send)) -> String {
    let text = panic.downcast_ref::<&str>().copied();
    text.or_else(|| panic.downcast_ref::<String>().map(String::as_str)).unwrap_or("no message").to_owned()
}
