//! Messages and services generated from `schema/*.proto`.

#![allow(missing_docs, clippy::all)]

tonic::include_proto!("shoal.v1");

/// An RPC of the schema.
#[derive(Debug, Clone, Copy)]
pub struct Method {
    /// The service with its package.
    pub service: &'static str,
    /// The method's own name.
    pub name: &'static str,
    /// Whether the caller sends a stream of messages.
    pub caller_streams: bool,
}

/// Every RPC of the schema.
pub fn methods() -> &'static [Method] {
    METHODS
}

include!(concat!(env!("OUT_DIR"), "/methods.rs"));

impl std::fmt::Debug for Content {
    /// Says how much there is, never what.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Content({} bytes)", self.data.len())
    }
}
