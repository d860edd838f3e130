//! How it is found out whether tasks work, from the options about health and probes.

use super::given;
use crate::{
    args::service::HealthArgs,
    parse::{duration, probe},
};
use proto::{
    model::Problems,
    wire::{ContainerSpec, Probe, probe::Kind},
};

/// What takes a probe away.
const NONE: &str = "none";

/// Changes what was given.
pub fn apply(args: &HealthArgs, container: &mut ContainerSpec, problems: &mut Problems) {
    health(args, &mut container.health, problems);
    own("--startup-probe", &args.startup_probe, &mut container.startup, problems);
    own("--readiness-probe", &args.readiness_probe, &mut container.readiness, problems);
}

fn own(option: &str, given: &Option<String>, field: &mut Option<Probe>, problems: &mut Problems) {
    match given.as_deref() {
        None => {}
        Some(NONE) => *field = None,
        Some(text) => *field = problems.take(option, probe::parse(text)),
    }
}

fn health(args: &HealthArgs, field: &mut Option<Probe>, problems: &mut Problems) {
    let mut health = field.take().unwrap_or_default();
    if args.no_healthcheck {
        health = Probe { kind: Some(Kind::Disabled(true)), ..Probe::default() };
    }
    if let Some(given) = given(problems, "--health-probe", &args.health_probe, probe::parse) {
        health = given;
    }
    match args.health_cmd.as_deref() {
        None => {}
        Some("") => health.kind = None,
        Some(command) => health.kind = Some(Kind::Shell(command.to_owned())),
    }
    let times = [
        ("--health-interval", &args.health_interval, &mut health.interval_ms),
        ("--health-timeout", &args.health_timeout, &mut health.timeout_ms),
        ("--health-start-period", &args.health_start_period, &mut health.start_period_ms),
        ("--health-start-interval", &args.health_start_interval, &mut health.start_interval_ms),
    ];
    let mut is_timed = false;
    for (option, text, field) in times {
        if let Some(ms) = given(problems, option, text, duration::parse_ms) {
            (*field, is_timed) = (Some(ms), true);
        }
    }
    let retries = |text: &str| probe::retries("failures", text);
    if let Some(retries) = given(problems, "--health-retries", &args.health_retries, retries) {
        (health.retries, is_timed) = (retries, true);
    }
    // One that was switched off comes back as the image's when it is given times.
    if is_timed && matches!(health.kind, Some(Kind::Disabled(_))) {
        health.kind = None;
    }
    *field = Some(health).filter(|health| *health != Probe::default());
}
