//! Wire objects for the tests of what is printed.

use crate::parse::{mount, publish};
use proto::{
    model::PayloadKind,
    wire::{self, service_spec::Mode},
};
use std::collections::HashMap;

/// The time all tests of output run at.
pub const NOW_MS: i64 = 1_700_000_000_000;

/// An id of 25 characters that begins with `start`.
pub fn id(start: &str) -> String {
    format!("{start:0<25}")
}

/// A map of labels.
pub fn labels(pairs: &[(&str, &str)]) -> HashMap<String, String> {
    pairs.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect()
}

/// A small service.
pub fn service(name: &str, mode: Mode) -> wire::Service {
    let container = wire::ContainerSpec { image: "nginx:1.27".into(), ..Default::default() };
    wire::Service {
        id: id(&format!("service{name}")),
        version: 12,
        created_at: NOW_MS - 3_600_000,
        updated_at: NOW_MS - 60_500,
        spec: Some(wire::ServiceSpec {
            name: name.into(),
            mode: Some(mode),
            task: Some(wire::TaskSpec { container: Some(container), ..Default::default() }),
            ..Default::default()
        }),
        task_version: 1,
        ..Default::default()
    }
}

/// Three replicas of a web server, with something in every field.
pub fn web() -> wire::Service {
    let mut service = service("web", Mode::Replicated(wire::service_spec::Replicated { replicas: 3 }));
    (service.running_tasks, service.desired_tasks) = (3, 3);
    service.rollout = Some(wire::RolloutStatus {
        state: wire::RolloutState::Completed.into(),
        started_at: NOW_MS - 120_000,
        ended_at: Some(NOW_MS - 60_000),
        message: "update completed".into(),
        ..Default::default()
    });
    service.vips = vec![wire::NetworkAddress {
        network_id: id("networkfront"),
        number: 250,
        ipv4: "10.0.1.250/24".into(),
        ipv6: "fd00:1::fa/64".into(),
    }];
    let spec = service.spec.as_mut().expect("made above");
    spec.labels = labels(&[("tier", "front")]);
    spec.ports =
        publish::parse("published=8080,target=80,mode=host").map(|port| port.to_vec()).expect("well formed");
    service.ports.clone_from(&spec.ports);
    let rollout = wire::RolloutConfig {
        parallelism: 2,
        delay_ms: 10_000,
        failure_action: wire::rollout_config::FailureAction::Rollback.into(),
        monitor_ms: 5_000,
        max_failure_ratio: 0.25,
        order: wire::rollout_config::Order::StartFirst.into(),
        progress_deadline_ms: Some(600_000),
        canary: 1,
    };
    spec.update = Some(rollout);
    spec.rollback = Some(wire::RolloutConfig {
        failure_action: wire::rollout_config::FailureAction::Pause.into(),
        canary: 0,
        ..rollout
    });
    let task = spec.task.as_mut().expect("made above");
    task.limits = Some(wire::Resources { nano_cpus: 500_000_000, memory_bytes: 64 << 20, pids: 100 });
    task.reservations = Some(wire::Resources { nano_cpus: 250_000_000, memory_bytes: 32 << 20, pids: 0 });
    task.restart = Some(wire::RestartPolicy {
        condition: wire::restart_policy::Condition::OnFailure.into(),
        delay_ms: 5_000,
        max_attempts: 3,
        window_ms: 0,
    });
    task.constraints = vec!["node.role==worker".into()];
    task.preferences = vec!["spread=node.labels.zone".into()];
    task.max_replicas_per_node = 2;
    task.attachments =
        vec![wire::NetworkAttachment { network: id("networkfront"), aliases: vec!["www".into()] }];
    task.log = Some(wire::LogConfig { max_size_bytes: 10 << 20, max_files: 3 });
    let container = task.container.as_mut().expect("made above");
    container.args = vec!["nginx".into(), "-g".into(), "daemon off;".into()];
    container.env = vec!["A=1".into()];
    container.labels = labels(&[("role", "proxy")]);
    container.workdir = "/srv".into();
    container.user = "www".into();
    container.read_only = true;
    container.mounts = ["type=bind,src=/etc/web,dst=/etc/nginx,ro", "type=tmpfs,dst=/tmp,tmpfs-size=1m"]
        .map(|text| mount::parse(text).expect("well formed"))
        .to_vec();
    container.secrets = vec![payload_use("key", "tls.key")];
    container.configs = vec![payload_use("site", "/etc/site.conf")];
    container.cap_add = vec!["NET_ADMIN".into()];
    container.stop_signal = "SIGQUIT".into();
    container.stop_grace_period_ms = Some(20_000);
    service
}

fn payload_use(name: &str, target: &str) -> wire::PayloadUse {
    wire::PayloadUse {
        payload: id(&format!("payload{name}")),
        name: name.into(),
        edition: 2,
        target: target.into(),
        uid: 101,
        gid: 0,
        mode: Some(0o440),
    }
}

/// A secret or config with this name, as the managers show it.
pub fn payload(kind: PayloadKind, name: &str) -> wire::Payload {
    wire::Payload {
        id: id(&format!("payload{name}")),
        version: 12,
        created_at: NOW_MS - 3_600_000,
        updated_at: NOW_MS - 60_500,
        spec: Some(wire::PayloadSpec {
            kind: wire::PayloadKind::from(kind).into(),
            name: name.into(),
            labels: labels(&[("team", "a")]),
            template_driver: "golang".into(),
        }),
        edition: 2,
        content: (kind == PayloadKind::Config).then(|| wire::Content { data: b"a=1\n".to_vec() }),
        services: vec!["web".into()],
    }
}

/// A task of the web service.
pub fn task(start: &str, slot: &str, state: wire::TaskState) -> wire::Task {
    let running = state <= wire::TaskState::Running;
    let desired = if running { wire::DesiredState::Running } else { wire::DesiredState::Shutdown };
    wire::Task {
        id: id(start),
        created_at: NOW_MS - 300_000,
        service_id: id("serviceweb"),
        slot: slot.into(),
        spec: web().spec,
        ports: web().ports,
        task_version: 1,
        node_id: if state >= wire::TaskState::Assigned { id("node1") } else { String::new() },
        desired: desired.into(),
        status: Some(wire::TaskStatus { state: state.into(), at: NOW_MS - 180_000, ..Default::default() }),
        ..Default::default()
    }
}

/// A network with this name that the first node takes part in, and no service.
pub fn network(name: &str) -> wire::Network {
    let pool = |subnet: &str, gateway: &str, range: &str| wire::IpamPool {
        subnet: subnet.into(),
        gateway: gateway.into(),
        range: range.into(),
    };
    wire::Network {
        id: id(&format!("network{name}")),
        version: 5,
        created_at: NOW_MS - 3_600_000,
        spec: Some(wire::NetworkSpec {
            name: name.into(),
            labels: labels(&[("team", "a")]),
            ipv6: true,
            attachable: true,
            mtu: Some(1400),
            ..Default::default()
        }),
        vni: 4097,
        pools: vec![pool("10.0.1.0/24", "10.0.1.1", "10.0.1.128/25"), pool("fd00:1::/64", "fd00:1::1", "")],
        nodes: vec![wire::NetworkNode {
            node_id: id("node1"),
            number: 130,
            blocks: vec![9, 10],
            data_path_addr: "10.0.0.1".into(),
        }],
        addresses_used: 36,
        addresses_total: 126,
        service_ids: Vec::new(),
        task_ids: Vec::new(),
    }
}

/// The node with this number; the first one is a manager and leads.
pub fn node(number: u32) -> wire::Node {
    let first = number == 1;
    wire::Node {
        id: id(&format!("node{number}")),
        version: 9,
        created_at: NOW_MS - 86_400_000,
        updated_at: NOW_MS,
        spec: Some(wire::NodeSpec {
            labels: labels(if first { &[("disk", "ssd")] } else { &[] }),
            role: if first { wire::Role::Manager } else { wire::Role::Worker }.into(),
            availability: wire::Availability::Active.into(),
        }),
        description: Some(wire::NodeDescription {
            hostname: format!("host-{number}"),
            os: "linux".into(),
            arch: "amd64".into(),
            nano_cpus: 4_000_000_000,
            memory_bytes: 8 << 30,
            version: "0.1.0".into(),
            engine_labels: labels(&[("zone", "a")]),
            ..Default::default()
        }),
        status: Some(wire::NodeStatus {
            state: wire::NodeState::Ready.into(),
            addr: format!("10.0.0.{number}"),
            ..Default::default()
        }),
        manager: first.then(|| wire::ManagerStatus {
            raft_id: 1,
            addr: "10.0.0.1:2377".into(),
            leader: true,
            reachable: true,
        }),
    }
}
