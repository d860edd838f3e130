//! What can go wrong over a netlink socket, named by link, address or route.

use std::io;
use std::net::IpAddr;
use std::path::PathBuf;

use thiserror::Error;

use crate::namespace::NamespaceError;

/// Why links, addresses or routes could not be read or changed.
#[derive(Debug, Error)]
pub enum LinkError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// There is no socket to the kernel.
    #[error("cannot open a netlink socket in the namespace {namespace}")]
    Socket {
        /// The namespace.
        namespace: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The kernel does not know this kind of link.
    #[error("this kernel has no {kind} links: enable {option} or load the module {kind}")]
    KernelLacks {
        /// The kind.
        kind: &'static str,
        /// The kernel's option.
        option: &'static str,
    },
    /// A link cannot be made.
    #[error("cannot add the link {link} in the namespace {namespace}")]
    Add {
        /// The link.
        link: String,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A link cannot be changed.
    #[error("cannot change the link {link} in the namespace {namespace}")]
    Change {
        /// The link.
        link: String,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A link cannot be removed.
    #[error("cannot delete the link {link} in the namespace {namespace}")]
    Delete {
        /// The link.
        link: String,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A link that was just made is not there.
    #[error("the link {link} is not in the namespace {namespace}: something else removed it")]
    Missing {
        /// The link.
        link: String,
        /// The namespace.
        namespace: PathBuf,
    },
    /// Links, addresses or routes cannot be listed.
    #[error("cannot list {what} in the namespace {namespace}")]
    List {
        /// What was to be listed.
        what: &'static str,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// An address cannot be put on a link.
    #[error("cannot put the address {address}/{prefix} on the link {link} in the namespace {namespace}")]
    Address {
        /// The address.
        address: IpAddr,
        /// Its prefix length.
        prefix: u8,
        /// The link.
        link: String,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// An address cannot be taken from a link.
    #[error("cannot take the address {address} from the link {link} in the namespace {namespace}")]
    AddressStays {
        /// The address.
        address: IpAddr,
        /// The link.
        link: String,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A neighbour or what a tunnel sends where cannot be set or removed.
    #[error("cannot {verb} the neighbour {neighbour} on the link {link} in the namespace {namespace}")]
    Neighbour {
        /// `set` or `remove`.
        verb: &'static str,
        /// Its address, or its hardware address.
        neighbour: String,
        /// The link.
        link: String,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// Marked packets cannot be given a routing table of their own.
    #[error(
        "cannot have packets with the mark {mark:#x} routed by table {table} in the namespace {namespace}: it takes CONFIG_IP_MULTIPLE_TABLES and CONFIG_IPV6_MULTIPLE_TABLES"
    )]
    Rule {
        /// The mark.
        mark: u32,
        /// The table.
        table: u8,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A policy rule of a sandbox cannot be put back or removed.
    #[error("cannot {verb} the policy rule of priority {priority} in the namespace {namespace}")]
    Policy {
        /// `add` or `remove`.
        verb: &'static str,
        /// Its priority.
        priority: u32,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A route cannot be made or removed.
    #[error("cannot {verb} the route to {destination}/{prefix} in the namespace {namespace}")]
    Route {
        /// `add` or `delete`.
        verb: &'static str,
        /// Where it leads.
        destination: IpAddr,
        /// Its prefix length.
        prefix: u8,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
}

/// Turns what the netlink library returns into the kernel's own error.
pub(crate) fn kernel_error(error: rtnetlink::Error) -> io::Error {
    match error {
        rtnetlink::Error::NetlinkError(message) => message.to_io(),
        other => io::Error::other(other),
    }
}
