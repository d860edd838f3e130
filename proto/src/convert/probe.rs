//! How a container is asked whether it works.

use super::{
    bounds::{self, shown},
    time::millis,
};
use crate::{
    model::{Probe, ProbeKind, Problems},
    wire::{
        self,
        probe::{Exec, Grpc, Http, Kind, Tcp},
    },
};
use std::num::NonZeroU16;

/// Below that a node would do little but ask.
const INTERVAL_MS_MIN: u64 = 1;

impl From<&Probe> for wire::Probe {
    fn from(probe: &Probe) -> Self {
        wire::Probe {
            kind: match &probe.kind {
                ProbeKind::Image => None,
                ProbeKind::Disabled => Some(Kind::Disabled(true)),
                ProbeKind::Exec(args) => Some(Kind::Exec(Exec { args: args.clone() })),
                ProbeKind::Shell(command) => Some(Kind::Shell(command.clone())),
                ProbeKind::Tcp { port } => Some(Kind::Tcp(Tcp { port: port.get().into() })),
                ProbeKind::Http { port, path, tls } => {
                    Some(Kind::Http(Http { port: port.get().into(), path: path.clone(), tls: *tls }))
                }
                ProbeKind::Grpc { port, service } => {
                    Some(Kind::Grpc(Grpc { port: port.get().into(), service: service.clone() }))
                }
            },
            interval_ms: probe.interval.map(millis),
            timeout_ms: probe.timeout.map(millis),
            retries: probe.retries.unwrap_or(0),
            start_period_ms: probe.start_period.map(millis),
            start_interval_ms: probe.start_interval.map(millis),
        }
    }
}

/// A probe on the wire, if it says anything.
pub(super) fn to_wire(probe: &Probe) -> Option<wire::Probe> {
    (*probe != Probe::default()).then(|| probe.into())
}

/// Reads the health check, which the image may have as well.
pub(super) fn health(wire: Option<wire::Probe>, problems: &mut Problems) -> Probe {
    wire.map_or_else(Probe::default, |wire| probe("--health-cmd", wire, problems))
}

/// Reads another probe, which has to say what is done.
pub(super) fn own(option: &str, wire: Option<wire::Probe>, problems: &mut Problems) -> Option<Probe> {
    let probe = probe(option, wire?, problems);
    if matches!(probe.kind, ProbeKind::Image | ProbeKind::Disabled) {
        problems.add(option, "says nothing to do: write one such as http=8080/ready".to_owned());
    }
    Some(probe)
}

fn probe(option: &str, wire: wire::Probe, problems: &mut Problems) -> Probe {
    let mut span = |what: &str, ms: Option<u64>, least: u64| {
        let ms = ms?;
        if ms < least {
            problems.add(option, format!("{what} must be at least {least}ms"));
        }
        Some(bounds::span(option, ms, problems))
    };
    Probe {
        interval: span("its interval", wire.interval_ms, INTERVAL_MS_MIN),
        timeout: span("its timeout", wire.timeout_ms, 1),
        start_period: span("its start period", wire.start_period_ms, 0),
        start_interval: span("its start interval", wire.start_interval_ms, INTERVAL_MS_MIN),
        retries: Some(wire.retries).filter(|retries| *retries > 0),
        kind: kind(option, wire.kind, problems),
    }
}

fn kind(option: &str, wire: Option<Kind>, problems: &mut Problems) -> ProbeKind {
    let mut port = |number: u32| {
        let port = u16::try_from(number).ok().and_then(NonZeroU16::new);
        port.unwrap_or_else(|| {
            problems.add(option, format!("{number} is not a port: must be from 1 to 65535"));
            NonZeroU16::MIN
        })
    };
    match wire {
        None => ProbeKind::Image,
        Some(Kind::Disabled(_)) => ProbeKind::Disabled,
        Some(Kind::Tcp(Tcp { port: number })) => ProbeKind::Tcp { port: port(number) },
        Some(Kind::Http(Http { port: number, path, tls })) => {
            let kind = ProbeKind::Http { port: port(number), path: path.clone(), tls };
            let is_path = path.starts_with('/') && path.chars().all(|c| c.is_ascii_graphic());
            if !is_path || path.len() > bounds::TEXT_BYTES_MAX {
                problems.add(option, format!("`{}` is not a path: it begins with /", shown(&path)));
            }
            kind
        }
        Some(Kind::Grpc(Grpc { port: number, service })) => {
            let port = port(number);
            let service = bounds::text(option, service, problems).unwrap_or_default();
            ProbeKind::Grpc { port, service }
        }
        Some(Kind::Shell(command)) => {
            bounds::arguments(option, std::slice::from_ref(&command), problems);
            if command.trim().is_empty() {
                problems.add(option, "the command is empty".to_owned());
            }
            ProbeKind::Shell(command)
        }
        Some(Kind::Exec(Exec { args })) => {
            bounds::arguments(option, &args, problems);
            if args.first().is_none_or(String::is_empty) {
                problems.add(option, "the program is not named".to_owned());
            }
            ProbeKind::Exec(args)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_part_that_would_not_do_is_named() {
        let wire = wire::Probe {
            kind: Some(Kind::Http(Http { port: 70_000, path: "ready".into(), tls: false })),
            interval_ms: Some(0),
            timeout_ms: Some(u64::MAX),
            ..Default::default()
        };
        let mut problems = Problems::default();
        own("--readiness-probe", Some(wire), &mut problems);
        assert_eq!(problems.0.len(), 4, "{problems:?}");
        own("--startup-probe", Some(wire::Probe::default()), &mut problems);
        assert_eq!(problems.0.len(), 5);
    }
}
