//! Probes: the health check as docker's API describes it, and those that docker does not have.

use super::nanos;
use proto::wire::{self, probe::Kind};
use serde::Serialize;

/// Docker's health check; its `Test` is `HTTP`, `HTTPS`, `TCP` or `GRPC` with a place for what docker lacks.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Healthcheck {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    test: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    interval: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    timeout: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retries: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_interval: Option<u64>,
}

impl From<wire::Probe> for Healthcheck {
    fn from(probe: wire::Probe) -> Self {
        Healthcheck {
            test: test(probe.kind),
            interval: probe.interval_ms.map(nanos),
            timeout: probe.timeout_ms.map(nanos),
            retries: Some(probe.retries).filter(|retries| *retries > 0),
            start_period: probe.start_period_ms.map(nanos),
            start_interval: probe.start_interval_ms.map(nanos),
        }
    }
}

fn test(kind: Option<Kind>) -> Vec<String> {
    let words = |word: &str, rest: String| vec![word.to_owned(), rest];
    match kind {
        None => Vec::new(),
        Some(Kind::Disabled(_)) => vec!["NONE".to_owned()],
        Some(Kind::Exec(exec)) => ["CMD".to_owned()].into_iter().chain(exec.args).collect(),
        Some(Kind::Shell(command)) => words("CMD-SHELL", command),
        Some(Kind::Tcp(tcp)) => words("TCP", tcp.port.to_string()),
        Some(Kind::Http(http)) => {
            words(if http.tls { "HTTPS" } else { "HTTP" }, format!("{}{}", http.port, http.path))
        }
        Some(Kind::Grpc(grpc)) if grpc.service.is_empty() => words("GRPC", grpc.port.to_string()),
        Some(Kind::Grpc(grpc)) => words("GRPC", format!("{}/{}", grpc.port, grpc.service)),
    }
}
