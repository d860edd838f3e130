//! Services and what users ask of them.

use super::{
    bounds, job, port,
    rollout::{self, Direction},
    task_spec,
};
use crate::{
    model::{
        EndpointMode, JobConfig, Name, NetworkAddress, PortMode, Problems, RolloutConfig, Service,
        ServiceMode, ServiceSpec, TaskNetwork,
    },
    wire,
};

/// The most replicas of one service.
pub const REPLICAS_MAX: u32 = 1_000_000;

impl From<&ServiceSpec> for wire::ServiceSpec {
    fn from(spec: &ServiceSpec) -> Self {
        use wire::service_spec::{Global, GlobalJob, Mode, Replicated, ReplicatedJob};
        wire::ServiceSpec {
            name: spec.name.to_string(),
            labels: spec.labels.clone().into_iter().collect(),
            mode: Some(match spec.mode {
                ServiceMode::Replicated { replicas } => Mode::Replicated(Replicated { replicas }),
                ServiceMode::Global => Mode::Global(Global {}),
                ServiceMode::ReplicatedJob { total, max_concurrent } => {
                    Mode::ReplicatedJob(ReplicatedJob { total, max_concurrent })
                }
                ServiceMode::GlobalJob => Mode::GlobalJob(GlobalJob {}),
            }),
            task: Some((&spec.task).into()),
            ports: spec.ports.iter().map(wire::PublishedPort::from).collect(),
            update: Some((&spec.update).into()),
            rollback: Some((&spec.rollback).into()),
            endpoint_mode: wire::EndpointMode::from(spec.endpoint_mode).into(),
            job: spec.mode.is_job().then(|| (&spec.job).into()),
        }
    }
}

impl From<&Service> for wire::Service {
    /// Leaves the task counts zero and out what is published: the answering manager fills them in.
    fn from(service: &Service) -> Self {
        wire::Service {
            id: service.id.to_string(),
            version: service.version,
            created_at: service.created_at.0,
            updated_at: service.updated_at.0,
            spec: Some(service.spec.as_ref().into()),
            task_version: service.task_version,
            previous_spec: service.previous.as_ref().map(|previous| previous.spec.as_ref().into()),
            rollout: service.rollout.as_ref().map(wire::RolloutStatus::from),
            removing: service.removing,
            running_tasks: 0,
            desired_tasks: 0,
            vips: service
                .vips
                .iter()
                .map(|(&network, &number)| (&NetworkAddress { network, number }).into())
                .collect(),
            ports: Vec::new(),
            revision: service.revision.number,
            job: service.job.as_ref().map(wire::JobStatus::from),
        }
    }
}

impl TryFrom<wire::ServiceSpec> for ServiceSpec {
    type Error = Problems;

    /// Checks every part and reports all that is wrong, each under docker's name for the option.
    fn try_from(wire: wire::ServiceSpec) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = problems.take("--name", Name::try_from(wire.name));
        let labels = bounds::labels("--label", wire.labels, &mut problems);
        let mode = mode(wire.mode, &mut problems);
        let task = task_spec::task_spec(wire.task.unwrap_or_default(), &mut problems);
        let ports = port::ports(wire.ports, &mut problems);
        let update = rollout::config(Direction::Update, wire.update, &mut problems);
        let rollback = rollout::config(Direction::Rollback, wire.rollback, &mut problems);
        let job = job::config(wire.job, &mut problems);
        if !mode.is_job() && job != JobConfig::default() {
            problems.add(
                "--mode",
                "a deadline, back-off limit or time to live is for jobs: use replicated-job or global-job",
            );
        }
        if mode.is_job() && (&update, &rollback) != (&RolloutConfig::default(), &RolloutConfig::default()) {
            problems.add(
                "--update-parallelism",
                "an update runs a job anew: leave options of updates and rollbacks out",
            );
        }
        if matches!(mode, ServiceMode::Global | ServiceMode::GlobalJob)
            && task.max_replicas_per_node.is_some()
        {
            problems.add(
                "--replicas-max-per-node",
                "a global service has one task per node: leave the option out",
            );
        }
        if !ports.is_empty() && task.network != TaskNetwork::Node {
            problems.add(
                "--publish",
                "with --network host or none there is nothing to publish: leave one of them out",
            );
        }
        if !task.attachments.is_empty() && task.network != TaskNetwork::Node {
            problems.add(
                "--network",
                "host and none can't be combined with other networks: leave one of them out",
            );
        }
        let endpoint_mode = endpoint_mode(wire.endpoint_mode, &mut problems);
        if endpoint_mode == EndpointMode::Dnsrr && ports.iter().any(|port| port.mode == PortMode::Ingress) {
            problems.add(
                "--endpoint-mode",
                "with dnsrr ports can't be published through the ingress network: publish them with mode=host, or use vip",
            );
        }
        match name {
            Some(name) => problems.finish(ServiceSpec {
                name,
                labels,
                mode,
                task,
                ports,
                update,
                rollback,
                endpoint_mode,
                job,
            }),
            None => Err(problems),
        }
    }
}

impl From<EndpointMode> for wire::EndpointMode {
    fn from(mode: EndpointMode) -> Self {
        match mode {
            EndpointMode::Vip => wire::EndpointMode::Vip,
            EndpointMode::Dnsrr => wire::EndpointMode::Dnsrr,
        }
    }
}

fn endpoint_mode(number: i32, problems: &mut Problems) -> EndpointMode {
    match wire::EndpointMode::try_from(number) {
        Ok(wire::EndpointMode::Unspecified | wire::EndpointMode::Vip) => EndpointMode::Vip,
        Ok(wire::EndpointMode::Dnsrr) => EndpointMode::Dnsrr,
        Err(_) => {
            problems.add("--endpoint-mode", format!("mode {number} is not known: use vip or dnsrr"));
            EndpointMode::default()
        }
    }
}

fn mode(wire: Option<wire::service_spec::Mode>, problems: &mut Problems) -> ServiceMode {
    use wire::service_spec::Mode;
    let wanted = match wire {
        Some(Mode::Global(_)) => return ServiceMode::Global,
        Some(Mode::GlobalJob(_)) => return ServiceMode::GlobalJob,
        Some(Mode::ReplicatedJob(job)) => {
            let total = replicas(job.total, problems);
            let max_concurrent = if job.max_concurrent == 0 { total } else { job.max_concurrent };
            return ServiceMode::ReplicatedJob { total, max_concurrent: max_concurrent.max(1) };
        }
        Some(Mode::Replicated(replicated)) => replicated.replicas,
        None => 1,
    };
    ServiceMode::Replicated { replicas: replicas(wanted, problems) }
}

fn replicas(replicas: u32, problems: &mut Problems) -> u32 {
    if replicas > REPLICAS_MAX {
        problems.add("--replicas", format!("{replicas} is too many: must be at most {REPLICAS_MAX}"));
    }
    replicas
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;
    use wire::service_spec::{Global, Mode, Replicated};

    fn nginx() -> wire::ServiceSpec {
        let container = wire::ContainerSpec { image: "nginx".into(), ..Default::default() };
        wire::ServiceSpec {
            name: "web".into(),
            task: Some(wire::TaskSpec { container: Some(container), ..Default::default() }),
            ..Default::default()
        }
    }

    fn problems_of(wire: wire::ServiceSpec) -> String {
        ServiceSpec::try_from(wire).unwrap_err().to_string()
    }

    proptest! {
        #[test]
        fn a_spec_comes_back_from_the_wire_unchanged(spec in testing::service_spec()) {
            prop_assert_eq!(ServiceSpec::try_from(wire::ServiceSpec::from(&spec)), Ok(spec));
        }
    }

    #[test]
    fn what_is_not_given_takes_dockers_defaults() {
        let spec = ServiceSpec::try_from(nginx()).unwrap();
        let mut expected = ServiceSpec {
            name: "web".parse().unwrap(),
            labels: Default::default(),
            mode: ServiceMode::Replicated { replicas: 1 },
            task: Default::default(),
            ports: Vec::new(),
            update: Default::default(),
            rollback: Default::default(),
            endpoint_mode: EndpointMode::Vip,
            job: JobConfig::default(),
        };
        expected.task.container.image = "nginx".into();
        assert_eq!(spec, expected);
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once() {
        let mut spec = wire::ServiceSpec {
            name: "-web".into(),
            update: Some(wire::RolloutConfig { max_failure_ratio: 2.0, ..Default::default() }),
            ports: vec![wire::PublishedPort {
                target: 80,
                mode: wire::published_port::Mode::Host.into(),
                ..Default::default()
            }],
            ..nginx()
        };
        let task = spec.task.as_mut().unwrap();
        task.limits = Some(wire::Resources { memory_bytes: 1024, ..Default::default() });
        task.constraints = vec!["node.role=manager".into()];
        task.container.as_mut().unwrap().env = vec!["NAME".into()];
        let options: Vec<String> =
            ServiceSpec::try_from(spec).unwrap_err().0.into_iter().map(|problem| problem.field).collect();
        assert_eq!(
            options,
            ["--name", "--env", "--limit-memory", "--constraint", "--publish", "--update-max-failure-ratio"]
        );
    }

    #[test]
    fn a_spec_without_an_image_says_that_one_is_needed() {
        let problems = problems_of(wire::ServiceSpec { task: None, ..nginx() });
        assert!(problems.starts_with("IMAGE: an image is needed"), "{problems}");
    }

    #[test]
    fn more_than_a_million_replicas_are_refused() {
        let spec =
            |replicas| wire::ServiceSpec { mode: Some(Mode::Replicated(Replicated { replicas })), ..nginx() };
        assert!(ServiceSpec::try_from(spec(REPLICAS_MAX)).is_ok());
        assert_eq!(
            problems_of(spec(REPLICAS_MAX + 1)),
            "--replicas: 1000001 is too many: must be at most 1000000"
        );
    }

    #[test]
    fn a_job_runs_all_its_tasks_at_once_unless_fewer_are_asked_for_and_has_no_rollouts() {
        use wire::service_spec::{GlobalJob, ReplicatedJob};
        let job = |max_concurrent| {
            let mode = Some(Mode::ReplicatedJob(ReplicatedJob { total: 5, max_concurrent }));
            ServiceSpec::try_from(wire::ServiceSpec { mode, ..nginx() }).unwrap().mode
        };
        assert_eq!(job(0), ServiceMode::ReplicatedJob { total: 5, max_concurrent: 5 });
        assert_eq!(job(2), ServiceMode::ReplicatedJob { total: 5, max_concurrent: 2 });
        let deadline = Some(wire::JobConfig { deadline_ms: Some(0), ..Default::default() });
        let update = Some(wire::RolloutConfig { parallelism: 7, ..Default::default() });
        let mode = Some(Mode::GlobalJob(GlobalJob {}));
        let problems = problems_of(wire::ServiceSpec { mode, job: deadline, update, ..nginx() });
        assert!(problems.contains("--job-deadline: 0s leaves no time"), "{problems}");
        assert!(problems.contains("an update runs a job anew"), "{problems}");
        let bounded = Some(wire::JobConfig { backoff_limit: Some(1), ..Default::default() });
        let problems = problems_of(wire::ServiceSpec { job: bounded, ..nginx() });
        assert!(problems.contains("is for jobs: use replicated-job or global-job"), "{problems}");
    }

    #[test]
    fn options_that_contradict_each_other_are_refused() {
        let mut global = wire::ServiceSpec { mode: Some(Mode::Global(Global {})), ..nginx() };
        global.task.as_mut().unwrap().max_replicas_per_node = 1;
        assert!(problems_of(global).starts_with("--replicas-max-per-node: "));

        let port = wire::PublishedPort {
            published: 80,
            target: 80,
            mode: wire::published_port::Mode::Host.into(),
            ..Default::default()
        };
        let mut unconnected = wire::ServiceSpec { ports: vec![port], ..nginx() };
        unconnected.task.as_mut().unwrap().network = wire::TaskNetwork::None.into();
        assert!(problems_of(unconnected).starts_with("--publish: with --network host or none"));
    }
}
