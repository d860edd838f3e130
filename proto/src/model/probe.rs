//! Probes: how a node finds out whether a container works.

use serde::{Deserialize, Serialize};
use std::{num::NonZeroU16, time::Duration};

/// How a container is asked, and how often. What is not given is the image's or else the default of the
/// kind of probe.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Probe {
    /// What is done.
    pub kind: ProbeKind,
    /// Time from one probe to the next.
    pub interval: Option<Duration>,
    /// How long an answer may take; longer is a failure.
    pub timeout: Option<Duration>,
    /// Failures in a row that count; at least 1.
    pub retries: Option<u32>,
    /// Time after the start in which failures do not count.
    pub start_period: Option<Duration>,
    /// Time from one probe to the next until the first one succeeds, if that is less than the interval.
    pub start_interval: Option<Duration>,
}

/// What is done to find out.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub enum ProbeKind {
    /// What the image says (HEALTHCHECK in a Dockerfile), which may be nothing.
    #[default]
    Image,
    /// Nothing, whatever the image says.
    Disabled,
    /// A program in the container with its arguments; 0 is success.
    Exec(Vec<String>),
    /// A command for the container's `/bin/sh`; 0 is success.
    Shell(String),
    /// A connection to a port of the container; being taken is success.
    Tcp {
        /// The port.
        port: NonZeroU16,
    },
    /// A GET request to a port of the container; 200 to 399 is success.
    Http {
        /// The port.
        port: NonZeroU16,
        /// The path with its query; begins with `/`.
        path: String,
        /// Whether TLS is spoken. The certificate is not checked: it is the container's own.
        tls: bool,
    },
    /// A call of `grpc.health.v1.Health/Check`; SERVING is success.
    Grpc {
        /// The port.
        port: NonZeroU16,
        /// The service asked about; empty is the whole server.
        service: String,
    },
}

/// What a probe is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub enum ProbeRole {
    /// Whether the container has come up; the others wait for it. One that does not is replaced.
    Startup,
    /// Whether it works. One that does not is replaced. Docker's health check.
    Health,
    /// Whether it may get connections now. One that may not is left alone.
    Readiness,
}

impl ProbeRole {
    /// What people call it.
    pub fn as_str(self) -> &'static str {
        match self {
            ProbeRole::Startup => "startup",
            ProbeRole::Health => "health",
            ProbeRole::Readiness => "readiness",
        }
    }
}
