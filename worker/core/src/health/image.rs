//! The health check that an image brings along, as Docker writes it into the image's configuration.

use proto::model::{Probe, ProbeKind};
use serde::Deserialize;
use std::time::Duration;

/// An image's health check can't be understood.
#[derive(Debug, thiserror::Error)]
#[error("the image's health check can't be read")]
pub struct ImageHealthError(#[from] serde_json::Error);

/// Docker's form: times in nanoseconds, zero where nothing was said.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Healthcheck {
    test: Option<Vec<String>>,
    interval: u64,
    timeout: u64,
    retries: u32,
    start_period: u64,
    start_interval: u64,
}

/// Reads the `Healthcheck` of an image's configuration (Docker Image Specification v1.2).
pub fn image_health(value: serde_json::Value) -> Result<Probe, ImageHealthError> {
    let read = Option::<Healthcheck>::deserialize(value)?.unwrap_or_default();
    let test = read.test.unwrap_or_default();
    let kind = match test.split_first() {
        Some((word, args)) if word == "CMD" && !args.is_empty() => ProbeKind::Exec(args.to_vec()),
        Some((word, [command, ..])) if word == "CMD-SHELL" => ProbeKind::Shell(command.clone()),
        Some((word, _)) if word == "NONE" => ProbeKind::Disabled,
        _ => ProbeKind::Image,
    };
    let span = |nanos: u64| (nanos > 0).then(|| Duration::from_nanos(nanos));
    Ok(Probe {
        kind,
        interval: span(read.interval),
        timeout: span(read.timeout),
        retries: (read.retries > 0).then_some(read.retries),
        start_period: span(read.start_period),
        start_interval: span(read.start_interval),
    })
}
