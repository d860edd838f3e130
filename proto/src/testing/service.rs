//! Service specs.

use super::{container::container_spec, text};
use crate::model::{
    Constraint, FailureAction, JobConfig, Limits, Name, PortMode, PortProtocol, PortTraffic, Preference,
    PublishedPort, Reservations, RestartCondition, RestartPolicy, RolloutConfig, RolloutOrder, ServiceMode,
    ServiceSpec, TaskNetwork, TaskSpec, service::LogConfig,
};
use proptest::{collection, option, prelude::*, sample::select};
use std::{collections::BTreeSet, num::NonZeroU16, time::Duration};

/// A service with any mixture of options that go together.
pub fn service_spec() -> impl Strategy<Value = ServiceSpec> {
    let rollouts = (rollout_config(&UPDATE_ACTIONS), rollout_config(&ROLLBACK_ACTIONS));
    (name(), text::labels(), mode(), task_spec(), ports(), rollouts).prop_map(
        |(name, labels, mode, mut task, mut ports, (mut update, mut rollback))| {
            let mut job = JobConfig::default();
            if mode.is_job() {
                (update, rollback) = Default::default();
                job.backoff_limit = task.max_replicas_per_node;
                job.deadline = Some(Duration::from_millis(1 + task.force_update % 1_000_000));
            }
            if matches!(mode, ServiceMode::Global | ServiceMode::GlobalJob) {
                task.max_replicas_per_node = None;
            }
            if task.network != TaskNetwork::Node {
                ports.clear();
            }
            let endpoint_mode = Default::default();
            ServiceSpec { name, labels, mode, task, ports, update, rollback, endpoint_mode, job }
        },
    )
}

/// What each task is, with any mixture of its options.
pub fn task_spec() -> impl Strategy<Value = TaskSpec> {
    let placement = (constraints(), preferences(), option::of(1..u32::MAX));
    let network = select(vec![TaskNetwork::Node, TaskNetwork::Host, TaskNetwork::None]);
    (
        container_spec(),
        limits(),
        reservations(),
        restart_policy(),
        placement,
        network,
        log_config(),
        any::<u64>(),
    )
        .prop_map(|(container, limits, reservations, restart, placement, network, log, force_update)| {
            let (constraints, preferences, max_replicas_per_node) = placement;
            TaskSpec {
                container,
                limits,
                reservations,
                restart,
                constraints,
                preferences,
                max_replicas_per_node,
                network,
                log,
                force_update,
                attachments: Vec::new(),
            }
        })
}

fn name() -> impl Strategy<Value = Name> {
    "[a-z0-9]([a-z0-9_-]{0,20}[a-z0-9])?".prop_map(|text| text.parse().expect("the pattern makes names"))
}

fn mode() -> impl Strategy<Value = ServiceMode> {
    prop_oneof![
        (0..=1000u32).prop_map(|replicas| ServiceMode::Replicated { replicas }),
        Just(ServiceMode::Global),
        (1..=1000u32, 1..=1000u32)
            .prop_map(|(total, max_concurrent)| ServiceMode::ReplicatedJob { total, max_concurrent }),
        Just(ServiceMode::GlobalJob),
    ]
}

/// A few ports that differ.
fn ports() -> impl Strategy<Value = Vec<PublishedPort>> {
    let protocol = select(vec![PortProtocol::Tcp, PortProtocol::Udp, PortProtocol::Sctp]);
    let number = || (1..=u16::MAX).prop_map(|number| NonZeroU16::new(number).expect("the range begins at 1"));
    let host_ip = select(vec!["10.0.0.5", "10.1.0.0/16", "0.0.0.0", "fd00::5", "::"]);
    let host_ip = option::of(host_ip.prop_map(|text| text.parse().expect("they are addresses")));
    // No two of one target without a published port.
    collection::btree_map((protocol, number()), (number(), mode_of_port(), host_ip), 0..4).prop_map(|ports| {
        let port = |((protocol, target), (number, mode, host_ip)): (_, (_, OfMode, _))| {
            let (published, mode, traffic) = mode(number);
            PublishedPort { protocol, published, target, mode, host_ip, traffic }
        };
        let ports: Vec<PublishedPort> = ports.into_iter().map(port).collect();
        let mut seen = BTreeSet::new();
        let is_new =
            |port: &PublishedPort| port.published.is_none_or(|number| seen.insert((port.protocol, number)));
        ports.into_iter().filter(is_new).collect()
    })
}

type OfMode = fn(NonZeroU16) -> (Option<NonZeroU16>, PortMode, PortTraffic);

/// What goes together with each mode.
fn mode_of_port() -> impl Strategy<Value = OfMode> {
    select(vec![
        (|number| (Some(number), PortMode::Host, PortTraffic::Cluster)) as OfMode,
        |number| (Some(number), PortMode::Ingress, PortTraffic::LocalFirst),
        |_| (None, PortMode::Ingress, PortTraffic::Cluster),
    ])
}

const UPDATE_ACTIONS: [FailureAction; 3] =
    [FailureAction::Pause, FailureAction::Continue, FailureAction::Rollback];
const ROLLBACK_ACTIONS: [FailureAction; 2] = [FailureAction::Pause, FailureAction::Continue];

fn rollout_config(actions: &'static [FailureAction]) -> impl Strategy<Value = RolloutConfig> {
    let order = select(vec![RolloutOrder::StopFirst, RolloutOrder::StartFirst]);
    let canaries = if actions.contains(&FailureAction::Rollback) { 0..5u32 } else { 0..1 };
    let counts = (any::<u32>(), canaries);
    (counts, text::span(0), select(actions), text::span(0), 0.0..=1.0f32, order, text::span(0)).prop_map(
        |((parallelism, canary), delay, failure_action, monitor, max_failure_ratio, order, deadline)| {
            RolloutConfig {
                parallelism,
                delay,
                failure_action,
                monitor,
                max_failure_ratio,
                order,
                progress_deadline: deadline,
                canary,
            }
        },
    )
}

fn limits() -> impl Strategy<Value = Limits> {
    (option::of(cpus()), option::of(memory()), option::of(1..=100_000u64))
        .prop_map(|(nano_cpus, memory_bytes, pids)| Limits { nano_cpus, memory_bytes, pids })
}

fn reservations() -> impl Strategy<Value = Reservations> {
    let or_nothing = |amount: Option<u64>| amount.unwrap_or(0);
    (option::of(cpus()).prop_map(or_nothing), option::of(memory()).prop_map(or_nothing))
        .prop_map(|(nano_cpus, memory_bytes)| Reservations { nano_cpus, memory_bytes })
}

fn cpus() -> impl Strategy<Value = u64> {
    1_000_000..=64_000_000_000u64
}

fn memory() -> impl Strategy<Value = u64> {
    4 << 20..=1u64 << 40
}

fn restart_policy() -> impl Strategy<Value = RestartPolicy> {
    let condition = select(vec![RestartCondition::None, RestartCondition::OnFailure, RestartCondition::Any]);
    (condition, text::span(0), any::<u32>(), text::span(0)).prop_map(
        |(condition, delay, max_attempts, window)| RestartPolicy { condition, delay, max_attempts, window },
    )
}

fn log_config() -> impl Strategy<Value = LogConfig> {
    (1024..=1u64 << 40, 1..=1000u32)
        .prop_map(|(max_size_bytes, max_files)| LogConfig { max_size_bytes, max_files })
}

fn constraints() -> impl Strategy<Value = Vec<Constraint>> {
    let text = "(node\\.(id|hostname|role|ip|platform\\.os)|(node|engine)\\.labels\\.[a-z]{1,8})(==|!=)[a-z0-9.]{1,8}";
    collection::vec(text.prop_map(|text| text.parse().expect("the pattern makes constraints")), 0..4)
}

fn preferences() -> impl Strategy<Value = Vec<Preference>> {
    let text = "spread=(node|engine)\\.labels\\.[a-z]{1,8}";
    collection::vec(text.prop_map(|text| text.parse().expect("the pattern makes preferences")), 0..3)
}
