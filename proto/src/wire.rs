//! Messages and services generated from `schema/*.proto`.

#![allow(missing_docs, clippy::all)]

tonic::include_proto!("shoal.v1");

/// Every RPC of the schema, as (service, method).
pub fn methods() -> impl Iterator<Item = (String, String)> {
    METHODS.iter().map(|(service, method)| ((*service).to_owned(), (*method).to_owned()))
}

include!(concat!(env!("OUT_DIR"), "/methods.rs"));
