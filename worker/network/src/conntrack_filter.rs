//! What the kernel is told to list of a namespace's connections, so that not all have to be read here.

use std::collections::BTreeSet;
use std::net::IpAddr;

use netlink_packet_netfilter::NetfilterProtoFamily;
use netlink_packet_netfilter::conntrack::{self, ConntrackAttribute, IPTuple, ProtoTuple, Tuple};
use worker_core::network::{Protocol, Sought};

/// `CTA_FILTER` of the kernel's `nfnetlink_conntrack.h`, since Linux 5.8: which parts of the addresses given besides have to
/// be the same. An older kernel lists all of the family.
const FILTER: u16 = 25;

/// `CTA_FILTER_ORIG_FLAGS`: of what the client speaks to.
const ORIGINAL: u16 = 1;

/// `CTA_FILTER_REPLY_FLAGS`: of what answers; right since Linux 5.16, and in 5.10 and 5.15 with their fixes.
const REPLY: u16 = 2;

/// The bits of `CTA_FILTER_*_FLAGS`, of the kernel's `nf_internals.h`.
const SOURCE: u32 = 1 << 0;
const PROTOCOL: u32 = 1 << 3;
const DESTINATION_PORT: u32 = 1 << 5;

/// `NLA_F_NESTED`.
const NESTED: u16 = 1 << 15;

/// Each list takes the kernel through all it tracks: instead of more than this many, one of everything is asked for.
const LISTS_MAX: usize = 8;

/// A list that the kernel is asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listing {
    pub(crate) family: NetfilterProtoFamily,
    /// What is compared with each connection.
    pub(crate) like: Vec<ConntrackAttribute>,
    /// Which parts of it have to be the same, as one more attribute; with none all are listed.
    pub(crate) same: Vec<u8>,
}

/// Decides which lists have all that is sought. A connection may be in two of them.
pub(crate) fn listings(sought: &BTreeSet<Sought>) -> Vec<Listing> {
    let mut narrow: Vec<Listing> = Vec::new();
    for sought in sought {
        let Some(more) = of(*sought) else { return vec![Listing::all(NetfilterProtoFamily::Unspec)] };
        narrow.extend(more.into_iter().filter(|listing| !narrow.contains(listing)).collect::<Vec<_>>());
    }
    match narrow.len() <= LISTS_MAX {
        true => narrow,
        false => vec![Listing::all(NetfilterProtoFamily::Unspec)],
    }
}

impl Listing {
    fn all(family: NetfilterProtoFamily) -> Self {
        Self { family, like: Vec::new(), same: Vec::new() }
    }
}

/// The lists for one; `None` if it takes all there are.
fn of(sought: Sought) -> Option<Vec<Listing>> {
    Some(match sought {
        Sought::Any => return None,
        Sought::AnsweredBy(address @ IpAddr::V4(_)) => {
            let answerer = Tuple::Ip(vec![IPTuple::SourceAddress(address)]);
            let like = vec![ConntrackAttribute::CtaTupleReply(vec![answerer])];
            vec![Listing { family: NetfilterProtoFamily::IPv4, like, same: same(REPLY, SOURCE) }]
        }
        // Of IPv6 addresses the kernel takes those that differ for the same (Linux 5.8 to 6.18 at least).
        Sought::AnsweredBy(IpAddr::V6(_)) => vec![Listing::all(NetfilterProtoFamily::IPv6)],
        Sought::To(port) => {
            let parts = [kind(port.protocol), ProtoTuple::DestinationPort(port.port.get())];
            in_both_families(&parts, PROTOCOL | DESTINATION_PORT)
        }
        Sought::Of(protocol) => in_both_families(&[kind(protocol)], PROTOCOL),
    })
}

fn in_both_families(parts: &[ProtoTuple], flags: u32) -> Vec<Listing> {
    let families = [NetfilterProtoFamily::IPv4, NetfilterProtoFamily::IPv6];
    let like = || vec![ConntrackAttribute::CtaTupleOrig(vec![Tuple::Proto(parts.to_vec())])];
    families.into_iter().map(|family| Listing { family, like: like(), same: same(ORIGINAL, flags) }).collect()
}

fn kind(protocol: Protocol) -> ProtoTuple {
    ProtoTuple::Protocol(match protocol {
        Protocol::Tcp => conntrack::Protocol::Tcp,
        Protocol::Udp => conntrack::Protocol::Udp,
        Protocol::Sctp => conntrack::Protocol::Sctp,
    })
}

/// Says which parts of a direction have to be the same: one attribute within another, as the kernel reads it. The library
/// does not know this one, and marks none that it does not know as holding others.
fn same(direction: u16, flags: u32) -> Vec<u8> {
    let [inner_length, outer_length] = [8_u16, 12];
    let heads = [outer_length, FILTER | NESTED, inner_length, direction];
    heads.into_iter().flat_map(u16::to_ne_bytes).chain(flags.to_ne_bytes()).collect()
}
