//! What each task of a service is, as docker's API describes it.

use super::{container::ContainerSpec, is_zero, nanos};
use crate::output::states;
use proto::wire;
use serde::Serialize;
use std::collections::BTreeMap;

/// What each task of a service is.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct TaskTemplate {
    container_spec: ContainerSpec,
    resources: Resources,
    #[serde(skip_serializing_if = "Option::is_none")]
    restart_policy: Option<RestartPolicy>,
    placement: Placement,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    networks: Vec<Network>,
    #[serde(skip_serializing_if = "Option::is_none")]
    log_driver: Option<LogDriver>,
    force_update: u64,
    runtime: &'static str,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Resources {
    #[serde(skip_serializing_if = "Option::is_none")]
    limits: Option<Amounts>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reservations: Option<Amounts>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Amounts {
    #[serde(rename = "NanoCPUs", skip_serializing_if = "is_zero")]
    nano_cpus: u64,
    #[serde(skip_serializing_if = "is_zero")]
    memory_bytes: u64,
    #[serde(skip_serializing_if = "is_zero")]
    pids: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RestartPolicy {
    condition: &'static str,
    delay: u64,
    max_attempts: u32,
    window: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Placement {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    constraints: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    preferences: Vec<Preference>,
    #[serde(skip_serializing_if = "is_zero")]
    max_replicas: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Preference {
    spread: Spread,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spread {
    spread_descriptor: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Network {
    target: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    aliases: Vec<String>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct LogDriver {
    name: &'static str,
    options: BTreeMap<&'static str, String>,
}

impl From<wire::TaskSpec> for TaskTemplate {
    fn from(task: wire::TaskSpec) -> Self {
        let own = match task.network() {
            wire::TaskNetwork::Node => None,
            wire::TaskNetwork::Host => Some("host"),
            wire::TaskNetwork::None => Some("none"),
        };
        let own = own.map(|target| Network { target: target.to_owned(), aliases: Vec::new() });
        let preference = |text: String| {
            let spread_descriptor = text.strip_prefix("spread=").map(str::to_owned).unwrap_or(text);
            Preference { spread: Spread { spread_descriptor } }
        };
        TaskTemplate {
            container_spec: task.container.unwrap_or_default().into(),
            resources: Resources {
                limits: task.limits.map(Into::into),
                reservations: task.reservations.map(Into::into),
            },
            restart_policy: task.restart.map(|policy| RestartPolicy {
                condition: states::restart(policy.condition()),
                delay: nanos(policy.delay_ms),
                max_attempts: policy.max_attempts,
                window: nanos(policy.window_ms),
            }),
            placement: Placement {
                constraints: task.constraints,
                preferences: task.preferences.into_iter().map(preference).collect(),
                max_replicas: task.max_replicas_per_node.into(),
            },
            networks: own.into_iter().chain(task.attachments.into_iter().map(Network::from)).collect(),
            log_driver: task.log.map(|log| LogDriver {
                name: "json-file",
                options: [
                    ("max-size", log.max_size_bytes.to_string()),
                    ("max-file", log.max_files.to_string()),
                ]
                .into(),
            }),
            force_update: task.force_update,
            runtime: "container",
        }
    }
}

impl From<wire::NetworkAttachment> for Network {
    fn from(attachment: wire::NetworkAttachment) -> Self {
        Network { target: attachment.network, aliases: attachment.aliases }
    }
}

impl From<wire::Resources> for Amounts {
    fn from(resources: wire::Resources) -> Self {
        Amounts { nano_cpus: resources.nano_cpus, memory_bytes: resources.memory_bytes, pids: resources.pids }
    }
}
