//! What is on disk: blobs, unpacked layers, scratch folders, and how all of them are written.

pub mod blobs;
pub mod fs;
pub mod layers;
pub(crate) mod scratch;
