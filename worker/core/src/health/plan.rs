//! Which probes a container gets, with every time filled in.

use proto::model::{ContainerSpec, Probe, ProbeKind, ProbeRole};
use serde::{Deserialize, Serialize};
use std::{collections::BTreeMap, fmt, time::Duration};

/// The probes of a container.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Plan {
    /// What is done for each purpose.
    pub checks: BTreeMap<ProbeRole, Check>,
}

/// One probe. [`ProbeKind::Image`] and [`ProbeKind::Disabled`] are never part of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Check {
    /// What is done.
    pub kind: ProbeKind,
    /// Time from one answer to the next probe.
    pub interval: Duration,
    /// How long an answer may take.
    pub timeout: Duration,
    /// Failures in a row that count; at least 1.
    pub retries: u32,
    /// Time after the start in which failures do not count.
    pub start_period: Duration,
    /// Time to the next probe before the first success, if shorter than the interval.
    pub start_interval: Duration,
}

/// Seconds and retries where nothing is said: docker's for the health check. Clients wait for a
/// container that starts up or may get connections, so that is looked at more often.
const fn default_of(role: ProbeRole) -> (u64, u64, u32) {
    match role {
        ProbeRole::Startup => (2, 5, 150),
        ProbeRole::Health => (30, 30, 3),
        ProbeRole::Readiness => (5, 5, 3),
    }
}

/// Time between probes before the first success. Docker's is 5 s, and only in the start period.
const START_INTERVAL: Duration = Duration::from_secs(1);

impl Plan {
    /// The plan for a container and what its image says; `None` if there is nothing to probe.
    pub fn of(container: &ContainerSpec, image: Option<&Probe>) -> Option<Self> {
        let health = over(&container.health, image);
        let probes = [
            (ProbeRole::Startup, container.startup.clone()),
            (ProbeRole::Health, Some(health)),
            (ProbeRole::Readiness, container.readiness.clone()),
        ];
        let checks: BTreeMap<ProbeRole, Check> =
            probes.into_iter().filter_map(|(role, probe)| Some((role, check(role, probe?)?))).collect();
        (!checks.is_empty()).then_some(Self { checks })
    }
}

/// What the service says of the health check, and the image where it says nothing.
fn over(own: &Probe, image: Option<&Probe>) -> Probe {
    let Some(image) = image.filter(|_| own.kind != ProbeKind::Disabled) else { return own.clone() };
    Probe {
        kind: if own.kind == ProbeKind::Image { image.kind.clone() } else { own.kind.clone() },
        interval: own.interval.or(image.interval),
        timeout: own.timeout.or(image.timeout),
        retries: own.retries.or(image.retries),
        start_period: own.start_period.or(image.start_period),
        start_interval: own.start_interval.or(image.start_interval),
    }
}

fn check(role: ProbeRole, probe: Probe) -> Option<Check> {
    let (interval, timeout, retries) = default_of(role);
    let is_something = !matches!(probe.kind, ProbeKind::Image | ProbeKind::Disabled);
    is_something.then(|| Check {
        kind: probe.kind,
        interval: probe.interval.unwrap_or(Duration::from_secs(interval)),
        timeout: probe.timeout.unwrap_or(Duration::from_secs(timeout)),
        retries: probe.retries.unwrap_or(retries).max(1),
        start_period: probe.start_period.unwrap_or_default(),
        start_interval: probe.start_interval.unwrap_or(START_INTERVAL),
    })
}

impl fmt::Display for Check {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.kind {
            ProbeKind::Image | ProbeKind::Disabled => f.write_str("nothing"),
            ProbeKind::Exec(args) => f.write_str(&args.join(" ")),
            ProbeKind::Shell(command) => f.write_str(command),
            ProbeKind::Tcp { port } => write!(f, "tcp {port}"),
            ProbeKind::Http { port, path, tls } => {
                write!(f, "{} {port}{path}", if *tls { "https" } else { "http" })
            }
            ProbeKind::Grpc { port, service } if service.is_empty() => write!(f, "grpc {port}"),
            ProbeKind::Grpc { port, service } => write!(f, "grpc {port} {service}"),
        }
    }
}
