//! A name server for each container, at 127.0.0.11 port 53 inside its network namespace.
//!
//! ```text
//!   container                                         │ the node's own namespace
//!   application ── 127.0.0.11:53 ── rules ── udp, tcp ─┼─ Names: answered at once
//!                                                     └─ Upstream: relayed to the node's servers
//! ```
//!
//! What is answered is decided by `worker_core::dns`; this crate carries it over the wire.
//!
//! # Layout
//!
//! - [`Resolver`]: opens and ends the server of one container
//! - its way in: `sockets` and `redirect` in the container's namespace, `udp` and `tcp` that serve them
//! - its way out: [`Upstream`] with the node's servers, `exchange` of one query with one of them
//! - `request` and `reply`: messages; `responder`: from the one to the other; `prepared`: what was answered before
//!
//! # What is never done
//!
//! - Nothing listens on port 53, so an application may.
//! - Nothing that a container sent is passed on as it is: what goes upstream is written anew.
//! - A question whose answer is known here never leaves the node; with [`Upstream::nowhere`], none does.

mod error;
mod exchange;
mod origin;
mod prepared;
mod redirect;
mod reply;
mod request;
mod resolver;
mod responder;
mod sockets;
mod tcp;
mod udp;
mod upstream;

pub use error::ResolverError;
pub use resolver::Resolver;
pub use upstream::Upstream;
pub use worker_core::dns::{Names, Zone};
