//! What people ask for: specs of services of many kinds, and how their images behave.

use super::rng::Rng;
use manager_core::{
    state::State,
    testing::{ServiceBuilder, service},
};
use proto::model::{
    FailureAction, NetworkAttachment, NetworkId, Probe, ProbeKind, RestartCondition, RolloutOrder,
    ServiceMode, ServiceSpec,
};
use std::{collections::BTreeSet, num::NonZeroU16, time::Duration};

/// How the container of an image behaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Behaviour {
    /// It runs until it is stopped.
    Good,
    /// It is good, but takes long to be pulled.
    Large,
    /// It is good, but has to be killed.
    Stubborn,
    /// It runs for a while and fails.
    Flaky,
    /// It fails at once.
    Broken,
    /// It does its work and completes.
    Job,
    /// There is no such image.
    Missing,
}

impl Behaviour {
    /// How containers of that image behave.
    pub fn of(image: &str) -> Self {
        match image.split(':').next() {
            Some("large") => Behaviour::Large,
            Some("stubborn") => Behaviour::Stubborn,
            Some("flaky") => Behaviour::Flaky,
            Some("broken") => Behaviour::Broken,
            Some("job") => Behaviour::Job,
            Some("missing") => Behaviour::Missing,
            _ => Behaviour::Good,
        }
    }

    /// Whether its containers go on running.
    pub fn lasts(self) -> bool {
        matches!(self, Behaviour::Good | Behaviour::Large | Behaviour::Stubborn)
    }
}

/// When a container ends by itself, and with which code; `None` if it does not.
pub fn end_of_life(behaviour: Behaviour, rng: &mut Rng) -> Option<(Duration, i32)> {
    match behaviour {
        Behaviour::Good | Behaviour::Large | Behaviour::Stubborn | Behaviour::Missing => None,
        Behaviour::Flaky => Some((rng.millis(500, 40_000), 1)),
        Behaviour::Broken => Some((rng.millis(0, 300), 1)),
        Behaviour::Job => Some((rng.millis(200, 15_000), 0)),
    }
}

/// An image that works most of the time.
pub fn image(rng: &mut Rng) -> String {
    let names = ["app", "app", "app", "app", "large", "stubborn", "flaky", "broken", "job", "missing"];
    let name = rng.pick(&names).unwrap_or("app");
    format!("{name}:{}", rng.between(1, 4))
}

/// A service of any kind.
pub fn any_service(name: &str, rng: &mut Rng) -> ServiceSpec {
    let mut spec = service(name).image(&format!("app:{}", rng.between(1, 4)));
    if rng.chance(20) {
        let image = image(rng);
        spec = spec.image(&image);
    }
    if rng.chance(12) {
        return any_job(spec, rng);
    }
    spec = match rng.chance(25) {
        true => spec.global(),
        false => some_replicas(spec, rng),
    };
    spec = with_rollouts(spec, rng);
    spec = with_restarts(spec, rng);
    let mut spec = with_needs(spec, rng).build();
    if rng.chance(25) {
        let kind = ProbeKind::Tcp { port: NonZeroU16::MIN };
        spec.task.container.readiness = Some(Probe { kind, ..Probe::default() });
    }
    spec
}

/// A job; most of them have tasks that complete.
fn any_job(spec: ServiceBuilder, rng: &mut Rng) -> ServiceSpec {
    let mut spec = if rng.chance(80) { spec.image(&format!("job:{}", rng.between(1, 4))) } else { spec };
    spec = match rng.chance(25) {
        true => spec.global_job(),
        false => spec.job(replicas(rng), rng.pick(&[1, 2, 6]).unwrap_or(1)),
    };
    spec = spec.bounded(|job| {
        job.deadline = rng.pick(&[None, None, Some(Duration::from_secs(90))]).flatten();
        // One with a time to live would go though nobody removed it.
        job.backoff_limit = rng.pick(&[None, None, Some(2)]).flatten();
    });
    spec = with_restarts(spec, rng);
    with_needs(spec, rng).build()
}

/// Some replicas; seldom none at all.
fn replicas(rng: &mut Rng) -> u32 {
    rng.pick(&[0, 1, 1, 2, 2, 3, 3, 4, 5, 6]).unwrap_or(1)
}

fn some_replicas(spec: ServiceBuilder, rng: &mut Rng) -> ServiceBuilder {
    let spec = spec.replicas(replicas(rng));
    if rng.chance(10) { spec.max_per_node(1) } else { spec }
}

fn with_rollouts(spec: ServiceBuilder, rng: &mut Rng) -> ServiceBuilder {
    let order = if rng.chance(30) { RolloutOrder::StartFirst } else { RolloutOrder::StopFirst };
    let actions = [FailureAction::Pause, FailureAction::Continue, FailureAction::Rollback];
    let action = rng.pick(&actions).unwrap_or(FailureAction::Pause);
    let parallelism = rng.pick(&[0, 1, 1, 1, 2, 3]).unwrap_or(1);
    let (delay, monitor) = (rng.millis(0, 3000), rng.millis(0, 6000));
    let ratio = if rng.chance(30) { 0.4 } else { 0.0 };
    let canary = rng.pick(&[0, 0, 0, 0, 1, 2]).unwrap_or(0);
    let deadline = rng.pick(&[600, 600, 60, 20, 0]).unwrap_or(600);
    spec.order(order).update(|config| {
        config.failure_action = action;
        config.parallelism = parallelism;
        (config.delay, config.monitor, config.max_failure_ratio) = (delay, monitor, ratio);
        (config.canary, config.progress_deadline) = (canary, Duration::from_secs(deadline));
    })
}

fn with_restarts(spec: ServiceBuilder, rng: &mut Rng) -> ServiceBuilder {
    let conditions =
        [RestartCondition::Any, RestartCondition::Any, RestartCondition::OnFailure, RestartCondition::None];
    let condition = rng.pick(&conditions).unwrap_or(RestartCondition::Any);
    let attempts = rng.pick(&[0, 0, 0, 2]).unwrap_or(0);
    let (delay, window) = (rng.millis(0, 5000), rng.pick(&[0, 20]).unwrap_or(0));
    spec.restart(|policy| {
        (policy.condition, policy.delay, policy.max_attempts) = (condition, delay, attempts);
        policy.window = Duration::from_secs(window);
    })
}

fn with_needs(mut spec: ServiceBuilder, rng: &mut Rng) -> ServiceBuilder {
    if rng.chance(30) {
        spec = spec.host_port(rng.pick(&[80, 81]).unwrap_or(80));
    }
    if rng.chance(10) {
        spec = spec.ingress_port(rng.pick(&[82, 8080]).unwrap_or(82));
    }
    if rng.chance(10) {
        spec = spec.chosen_port(90);
    }
    if rng.chance(30) {
        spec = spec.memory(rng.between(1, 3) << 30);
    }
    if rng.chance(20) {
        spec = spec.cpus(rng.between(500, 2500));
    }
    if rng.chance(20) {
        spec = spec.constraint("node.labels.disk==ssd");
    }
    if rng.chance(15) {
        spec = spec.spread("disk");
    }
    spec
}

/// None, one or both of the networks that services can attach to.
pub fn some_networks(state: &State, rng: &mut Rng) -> Vec<NetworkAttachment> {
    let networks = state.networks().filter(|network| !network.spec.ingress);
    let chosen: Vec<NetworkId> = networks.map(|network| network.id).filter(|_| rng.chance(30)).collect();
    chosen.into_iter().map(|network| NetworkAttachment { network, aliases: BTreeSet::new() }).collect()
}

/// A spec with a change that people often make.
pub fn changed(spec: &ServiceSpec, state: &State, rng: &mut Rng) -> ServiceSpec {
    let mut spec = spec.clone();
    match rng.between(0, 10) {
        10 => spec.task.attachments = some_networks(state, rng),
        0..=4 => spec.task.container.image = image(rng),
        5..=6 => match &mut spec.mode {
            ServiceMode::Replicated { replicas: number }
            | ServiceMode::ReplicatedJob { total: number, .. } => {
                *number = replicas(rng);
            }
            ServiceMode::Global | ServiceMode::GlobalJob => {}
        },
        7 => spec.task.force_update += 1,
        8 => {
            let stop_grace_period = Some(rng.millis(500, 12_000));
            spec.task.container.stop_grace_period = stop_grace_period;
        }
        _ => {
            let name: &str = spec.name.as_str();
            let mode = spec.mode;
            let other = any_service(name, rng);
            if std::mem::discriminant(&other.mode) == std::mem::discriminant(&mode) {
                spec = other;
            }
        }
    }
    spec
}
