//! Probes of every kind.

use super::text;
use crate::model::{Probe, ProbeKind};
use proptest::{collection, option, prelude::*};
use std::num::NonZeroU16;

/// A probe that says what is done.
pub fn probe() -> BoxedStrategy<Probe> {
    with_times(own_kind())
}

/// A health check, which may leave that to the image.
pub fn health() -> BoxedStrategy<Probe> {
    with_times(prop_oneof![Just(ProbeKind::Image), Just(ProbeKind::Disabled), own_kind()])
}

fn own_kind() -> BoxedStrategy<ProbeKind> {
    let port = || (1..=u16::MAX).prop_map(|port| NonZeroU16::new(port).expect("the range begins at 1"));
    let http = (port(), "/[a-z0-9/?=&]{0,20}", any::<bool>());
    prop_oneof![
        collection::vec("[a-z/ -]{1,10}", 1..4).prop_map(ProbeKind::Exec),
        "[a-z][a-z |]{0,20}".prop_map(ProbeKind::Shell),
        port().prop_map(|port| ProbeKind::Tcp { port }),
        http.prop_map(|(port, path, tls)| ProbeKind::Http { port, path, tls }),
        (port(), "[a-z.]{0,20}").prop_map(|(port, service)| ProbeKind::Grpc { port, service }),
    ]
    .boxed()
}

fn with_times(kind: impl Strategy<Value = ProbeKind> + 'static) -> BoxedStrategy<Probe> {
    let span = |least| option::of(text::span(least));
    (kind, span(1), span(1), option::of(1..u32::MAX), span(0), span(1))
        .prop_map(|(kind, interval, timeout, retries, start_period, start_interval)| Probe {
            kind,
            interval,
            timeout,
            retries,
            start_period,
            start_interval,
        })
        .boxed()
}
