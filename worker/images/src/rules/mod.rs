//! The rules of images, as pure functions: nothing here reads a file, a socket or a clock.

pub mod config;
pub mod digest;
pub mod document;
pub(crate) mod index;
pub(crate) mod layout;
pub(crate) mod lookup;
pub mod platform;
pub(crate) mod recipe;
pub mod reference;
pub mod removal;
pub(crate) mod transport;
