//! YAML as docker reads and writes it.
//!
//! The events of `granit-parser` are put together here rather than by serde: serde ends at the first thing that does not
//! fit, forgets where a value stood and knows no tags of our own, and a Compose file wants every error with its place,
//! `!reset` and `!override`.

mod read;
mod scalar;
mod write;

pub use read::documents;
pub use write::to_text;
