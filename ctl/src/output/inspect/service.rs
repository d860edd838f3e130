//! A service as docker's API describes it.

use super::{Version, is_none, is_zero, nanos, sorted, task_template::TaskTemplate};
use crate::output::{states, times};
use proto::wire::{self, service_spec::Mode as WireMode};
use serde::Serialize;
use std::collections::BTreeMap;

/// One service.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct InspectedService {
    #[serde(rename = "ID")]
    id: String,
    version: Version,
    created_at: String,
    updated_at: String,
    spec: Spec,
    #[serde(skip_serializing_if = "Option::is_none")]
    previous_spec: Option<Spec>,
    endpoint: Endpoint,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_status: Option<UpdateStatus>,
    #[serde(skip_serializing_if = "Option::is_none")]
    job_status: Option<JobStatus>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Spec {
    name: String,
    labels: BTreeMap<String, String>,
    task_template: TaskTemplate,
    mode: Mode,
    #[serde(skip_serializing_if = "Option::is_none")]
    update_config: Option<UpdateConfig>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rollback_config: Option<UpdateConfig>,
    endpoint_spec: EndpointSpec,
    #[serde(skip_serializing_if = "Option::is_none")]
    job: Option<JobConfig>,
}

#[derive(Debug, Serialize)]
enum Mode {
    Replicated {
        #[serde(rename = "Replicas")]
        replicas: u32,
    },
    Global {},
    ReplicatedJob {
        #[serde(rename = "MaxConcurrent")]
        max_concurrent: u32,
        #[serde(rename = "TotalCompletions")]
        total: u32,
    },
    GlobalJob {},
}

/// What bounds a job; not docker's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct JobConfig {
    #[serde(skip_serializing_if = "Option::is_none")]
    deadline: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    backoff_limit: Option<u32>,
    #[serde(rename = "TTL", skip_serializing_if = "Option::is_none")]
    ttl: Option<u64>,
}

/// The present run of a job: docker's fields first.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct JobStatus {
    job_iteration: Version,
    last_execution: String,
    completed_tasks: u32,
    failures: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_at: Option<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    failure: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateConfig {
    parallelism: u32,
    #[serde(skip_serializing_if = "is_zero")]
    delay: u64,
    failure_action: &'static str,
    #[serde(skip_serializing_if = "is_zero")]
    monitor: u64,
    max_failure_ratio: f32,
    order: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    progress_deadline: Option<u64>,
    #[serde(skip_serializing_if = "is_none")]
    canary: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Endpoint {
    spec: EndpointSpec,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Port>,
    #[serde(rename = "VirtualIPs", skip_serializing_if = "Vec::is_empty")]
    virtual_ips: Vec<VirtualIp>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct VirtualIp {
    #[serde(rename = "NetworkID")]
    network_id: String,
    /// `ADDRESS/PREFIX`, never empty: those who read it give up on anything else.
    addr: String,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct EndpointSpec {
    mode: &'static str,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ports: Vec<Port>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Port {
    protocol: &'static str,
    target_port: u32,
    /// In a spec, zero leaves the choice to the cluster.
    #[serde(skip_serializing_if = "is_nought")]
    published_port: u32,
    publish_mode: &'static str,
    #[serde(rename = "HostIP", skip_serializing_if = "String::is_empty")]
    host_ip: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    traffic: Option<&'static str>,
}

fn is_nought(number: &u32) -> bool {
    *number == 0
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct UpdateStatus {
    state: &'static str,
    started_at: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    completed_at: Option<String>,
    message: String,
}

impl From<wire::Service> for InspectedService {
    fn from(service: wire::Service) -> Self {
        let spec = service.spec.unwrap_or_default();
        InspectedService {
            id: service.id,
            version: Version { index: service.version },
            created_at: times::rfc3339(service.created_at),
            updated_at: times::rfc3339(service.updated_at),
            endpoint: Endpoint {
                spec: endpoint_spec(&spec),
                ports: ports(&service.ports),
                virtual_ips: service.vips.into_iter().flat_map(virtual_ips).collect(),
            },
            spec: spec.into(),
            previous_spec: service.previous_spec.map(Into::into),
            update_status: service.rollout.map(|rollout| UpdateStatus {
                state: states::rollout(rollout.state()),
                started_at: times::rfc3339(rollout.started_at),
                completed_at: rollout.ended_at.map(times::rfc3339),
                message: rollout.message,
            }),
            job_status: service.job.map(|run| JobStatus {
                job_iteration: Version { index: run.iteration },
                last_execution: times::rfc3339(run.started_at),
                completed_tasks: run.completed_tasks,
                failures: run.failures,
                ended_at: run.ended_at.map(times::rfc3339),
                failure: run.failure,
            }),
        }
    }
}

/// A spec alone, as `service inspect` shows it in a service.
pub fn spec(spec: wire::ServiceSpec) -> impl Serialize {
    Spec::from(spec)
}

impl From<wire::ServiceSpec> for Spec {
    fn from(spec: wire::ServiceSpec) -> Self {
        Spec {
            labels: sorted(&spec.labels),
            endpoint_spec: endpoint_spec(&spec),
            task_template: spec.task.unwrap_or_default().into(),
            mode: match spec.mode {
                Some(WireMode::Global(_)) => Mode::Global {},
                Some(WireMode::Replicated(replicated)) => Mode::Replicated { replicas: replicated.replicas },
                Some(WireMode::ReplicatedJob(job)) => {
                    Mode::ReplicatedJob { max_concurrent: job.max_concurrent, total: job.total }
                }
                Some(WireMode::GlobalJob(_)) => Mode::GlobalJob {},
                None => Mode::Replicated { replicas: 1 },
            },
            // A job has no rollouts.
            update_config: spec.update.filter(|_| spec.job.is_none()).map(Into::into),
            rollback_config: spec.rollback.filter(|_| spec.job.is_none()).map(Into::into),
            job: spec.job.filter(|job| *job != wire::JobConfig::default()).map(|job| JobConfig {
                deadline: job.deadline_ms.map(nanos),
                backoff_limit: job.backoff_limit,
                ttl: job.ttl_ms.map(nanos),
            }),
            name: spec.name,
        }
    }
}

impl From<wire::RolloutConfig> for UpdateConfig {
    fn from(config: wire::RolloutConfig) -> Self {
        UpdateConfig {
            parallelism: config.parallelism,
            delay: nanos(config.delay_ms),
            failure_action: states::failure_action(config.failure_action()),
            monitor: nanos(config.monitor_ms),
            max_failure_ratio: config.max_failure_ratio,
            order: states::order(config.order()),
            progress_deadline: config.progress_deadline_ms.map(nanos),
            canary: config.canary,
        }
    }
}

fn endpoint_spec(spec: &wire::ServiceSpec) -> EndpointSpec {
    EndpointSpec { mode: states::endpoint_mode(spec.endpoint_mode()), ports: ports(&spec.ports) }
}

/// Those of both families, as far as there are any.
fn virtual_ips(vip: wire::NetworkAddress) -> impl Iterator<Item = VirtualIp> {
    let network_id = vip.network_id;
    [vip.ipv4, vip.ipv6]
        .into_iter()
        .filter(|addr| !addr.is_empty())
        .map(move |addr| VirtualIp { network_id: network_id.clone(), addr })
}

fn ports(ports: &[wire::PublishedPort]) -> Vec<Port> {
    let one = |port: &wire::PublishedPort| Port {
        protocol: states::protocol(port.protocol()),
        target_port: port.target,
        published_port: port.published,
        publish_mode: states::publish_mode(port.mode()),
        host_ip: port.host_ip.clone(),
        traffic: states::port_traffic(port.traffic()),
    };
    ports.iter().map(one).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{fixtures, json};

    #[test]
    fn a_service_is_described_as_docker_describes_it() {
        let text = json::indented(&[InspectedService::from(fixtures::web())]).unwrap();
        assert_eq!(text, include_str!("service.golden.json"));
    }

    #[test]
    fn an_address_that_is_not_there_is_left_out() {
        let vip = wire::NetworkAddress { ipv4: "10.0.1.250/24".into(), ..Default::default() };
        let addrs: Vec<String> = virtual_ips(vip).map(|vip| vip.addr).collect();
        assert_eq!(addrs, ["10.0.1.250/24"]);
    }

    #[test]
    fn the_endpoint_has_the_port_that_was_chosen_and_the_spec_what_was_asked_for() {
        let parse = |text: &str| crate::parse::publish::parse(text).unwrap();
        let mut service = fixtures::web();
        service.spec.as_mut().unwrap().ports = parse("target=80,host-ip=10.0.0.5,traffic=local-first");
        service.ports = parse("published=30000,target=80,host-ip=10.0.0.5,traffic=local-first");
        let value = json::template_value(&InspectedService::from(service)).unwrap();
        let source = "{{json .Spec.EndpointSpec.Ports}} {{json .Endpoint.Ports}}";
        let template =
            crate::output::template::parse(source, crate::output::template::Target::Object).unwrap();
        let port = |published: &str| {
            format!(
                r#"[{{"HostIP":"10.0.0.5","Protocol":"tcp","PublishMode":"ingress",{published}"TargetPort":80,"Traffic":"local-first"}}]"#
            )
        };
        assert_eq!(
            crate::output::template::execute(&template, &value).unwrap(),
            format!("{} {}", port(""), port(r#""PublishedPort":30000,"#))
        );
    }

    #[test]
    fn templates_see_dockers_fields() {
        let value = json::template_value(&InspectedService::from(fixtures::web())).unwrap();
        let source = "{{.Spec.Mode.Replicated.Replicas}} {{.Spec.TaskTemplate.ContainerSpec.Image}} {{.UpdateStatus.State}}";
        let template =
            crate::output::template::parse(source, crate::output::template::Target::Object).unwrap();
        assert_eq!(crate::output::template::execute(&template, &value).unwrap(), "3 nginx:1.27 completed");
    }
}
