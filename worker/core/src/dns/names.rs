//! The names one container can ask for.

use std::{net::IpAddr, sync::Arc};

use super::answer::{Answer, Record, rotated};
use super::question::{Kind, Question};
use super::reverse;
use super::zone::{Found, Zone};

/// The names one container can ask for: those of its networks, in the order of its attachments.
#[derive(Debug, Clone, Default)]
pub struct Names {
    zones: Vec<Arc<Zone>>,
    /// Whether a network of the container is still to be told.
    is_partial: bool,
}

impl Names {
    /// Makes the networks' names those of a container; where two networks know a name, the first is asked.
    pub fn new(zones: Vec<Arc<Zone>>) -> Self {
        Self { zones, is_partial: false }
    }

    /// The same for a container of whose networks some are still to be told. A name that is none of the others' might be
    /// theirs: asked outside, a stranger would say that there is no such name, and be believed.
    pub fn partial(zones: Vec<Arc<Zone>>) -> Self {
        Self { zones, is_partial: true }
    }

    /// Whether these are the very same names, without looking into them.
    pub fn are(&self, others: &Names) -> bool {
        let zones = self.zones.iter().zip(&others.zones);
        self.is_partial == others.is_partial
            && self.zones.len() == others.zones.len()
            && zones.into_iter().all(|(zone, other)| Arc::ptr_eq(zone, other))
    }

    /// Answers a question; `turn` is any number, and differs from one question to the next so that load is
    /// spread.
    pub fn answer(&self, question: &Question, turn: u64) -> Answer {
        let labels = question.labels();
        if let Some(address) = reverse::address(&labels) {
            return self.pointer(address, question.kind);
        }
        match self.find(&labels) {
            Some((zone, Found::Numbers(numbers))) => {
                let records = match question.kind {
                    Kind::Ipv4 => zone.addresses(&numbers, false),
                    Kind::Ipv6 => zone.addresses(&numbers, true),
                    Kind::Any => [zone.addresses(&numbers, false), zone.addresses(&numbers, true)].concat(),
                    Kind::Pointer | Kind::Service | Kind::Other => Vec::new(),
                };
                Answer::of(rotated(records, turn))
            }
            Some((_, Found::Services(records))) => match question.kind {
                Kind::Service | Kind::Any => Answer::of(rotated(records, turn)),
                Kind::Ipv4 | Kind::Ipv6 | Kind::Pointer | Kind::Other => Answer::NoData,
            },
            Some((_, Found::Nobody)) => Answer::NoSuchName,
            None => self.outside(),
        }
    }

    fn outside(&self) -> Answer {
        if self.is_partial { Answer::NotYet } else { Answer::Forward }
    }

    /// The first network that knows a name; else one that says it would be its own.
    fn find(&self, labels: &[&str]) -> Option<(&Zone, Found)> {
        let zones = || self.zones.iter().map(Arc::as_ref);
        let short = zones().filter_map(|zone| Some((zone, zone.find(labels)?)));
        let whole = zones().filter_map(|zone| Some((zone, find_whole(zone, labels)?)));
        let mut nobody = None;
        for (zone, found) in short.chain(whole) {
            match found {
                Found::Nobody => nobody = Some((zone, found)),
                Found::Numbers(_) | Found::Services(_) => return Some((zone, found)),
            }
        }
        nobody
    }

    fn pointer(&self, address: IpAddr, kind: Kind) -> Answer {
        let mut ours = self.zones.iter().filter(|zone| zone.contains(address)).peekable();
        if ours.peek().is_none() {
            return self.outside();
        }
        match (ours.find_map(|zone| zone.name_of(address)), kind) {
            (None, _) => Answer::NoSuchName,
            (Some(name), Kind::Pointer | Kind::Any) => Answer::Records(vec![Record::Pointer(name)]),
            (Some(_), Kind::Ipv4 | Kind::Ipv6 | Kind::Service | Kind::Other) => Answer::NoData,
        }
    }
}

/// Looks a name up that ends with the network's. `NAME.NETWORK` is not asked for outside even if there is no
/// such service; longer names are, unless they have the form of one of a service: a network may be called
/// `dev`, as a domain is.
fn find_whole(zone: &Zone, labels: &[&str]) -> Option<Found> {
    let (last, rest) = labels.split_last()?;
    if *last != zone.label() {
        return None;
    }
    zone.find(rest).or_else(|| (rest.len() == 1).then_some(Found::Nobody))
}
