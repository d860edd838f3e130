//! Builders whose defaults are what most tests want.

use proto::model::{
    Availability, Cluster, ClusterId, ClusterSpec, ContainerSpec, DesiredState, EndpointMode, JobConfig,
    JoinTokens, ManagerStatus, NetworkAttachment, NetworkId, Node, NodeDescription, NodeId, NodeSpec,
    NodeState, NodeStatus, Payload, PayloadUse, PortProtocol, PublishedPort, RestartPolicy, Role,
    RolloutConfig, RolloutOrder, RootCa, ServiceId, ServiceMode, ServiceSpec, SlotKey, Task, TaskId,
    TaskSpec, TaskStatus, Timestamp, cluster::FEATURE_LEVEL, payload::PAYLOAD_MODE,
};
use std::{collections::BTreeMap, net::Ipv4Addr, num::NonZeroU16, sync::Arc};

/// A cluster with the default settings.
pub fn cluster() -> Cluster {
    Cluster {
        id: ClusterId::from_bits(1),
        version: 0,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        spec: ClusterSpec::default(),
        root_ca: RootCa { cert_pem: String::new(), key_pem: String::new() },
        join_tokens: JoinTokens { worker: String::new(), manager: String::new() },
        feature_level: FEATURE_LEVEL,
        last_vni: 0,
    }
}

/// A ready and active worker with 4 processors and 8 GiB, whose id is the number.
pub fn node(number: u32) -> NodeBuilder {
    NodeBuilder(Node {
        id: NodeId::from_bits(number.into()),
        version: 0,
        created_at: Timestamp(0),
        updated_at: Timestamp(0),
        spec: NodeSpec { labels: BTreeMap::new(), role: Role::Worker, availability: Availability::Active },
        description: Some(NodeDescription {
            hostname: format!("node-{number}"),
            os: "linux".into(),
            arch: "amd64".into(),
            nano_cpus: 4_000_000_000,
            memory_bytes: 8 << 30,
            feature_level: FEATURE_LEVEL,
            data_path_addr: Some(Ipv4Addr::from_bits(0xc000_0200 | (number & 0xff)).into()),
            ..NodeDescription::default()
        }),
        status: NodeStatus {
            state: NodeState::Ready,
            message: String::new(),
            addr: None,
            since: Timestamp(0),
        },
        manager: None,
    })
}

/// Makes a node.
#[derive(Debug, Clone)]
pub struct NodeBuilder(Node);

impl NodeBuilder {
    /// Sets a label.
    pub fn label(mut self, name: &str, value: &str) -> Self {
        self.0.spec.labels.insert(name.into(), value.into());
        self
    }

    /// Sets the address at which other nodes reach it.
    pub fn data_path(mut self, addr: &str) -> Self {
        if let Some(description) = &mut self.0.description {
            description.data_path_addr = Some(addr.parse().expect("tests use good addresses"));
        }
        self
    }

    /// Makes it a manager whose raft id is its number.
    pub fn manager(mut self) -> Self {
        let raft_id = u64::try_from(self.0.id.bits()).expect("a builder's number has 32 bits");
        self.0.spec.role = Role::Manager;
        self.0.manager = Some(ManagerStatus { raft_id, addr: format!("node-{raft_id}:2377") });
        self
    }

    /// Makes it one whose agent has never called.
    pub fn unregistered(mut self) -> Self {
        self.0.description = None;
        self.0.status.state = NodeState::Unknown;
        self
    }

    /// Sets what it has, in processors and bytes.
    pub fn resources(mut self, cpus: u64, memory_bytes: u64) -> Self {
        if let Some(description) = &mut self.0.description {
            description.nano_cpus = cpus * 1_000_000_000;
            description.memory_bytes = memory_bytes;
        }
        self
    }

    /// The node.
    pub fn build(self) -> Node {
        self.0
    }
}

/// A service of one replica.
pub fn service(name: &str) -> ServiceBuilder {
    let image = "app:1".to_owned();
    ServiceBuilder(ServiceSpec {
        name: name.parse().expect("tests use good names"),
        labels: BTreeMap::new(),
        mode: ServiceMode::Replicated { replicas: 1 },
        task: TaskSpec {
            container: ContainerSpec { image, ..ContainerSpec::default() },
            ..TaskSpec::default()
        },
        ports: Vec::new(),
        update: RolloutConfig::default(),
        rollback: RolloutConfig::default(),
        endpoint_mode: EndpointMode::default(),
        job: JobConfig::default(),
    })
}

/// Makes a service spec.
#[derive(Debug, Clone)]
pub struct ServiceBuilder(ServiceSpec);

impl ServiceBuilder {
    /// Sets the number of replicas.
    pub fn replicas(mut self, replicas: u32) -> Self {
        self.0.mode = ServiceMode::Replicated { replicas };
        self
    }

    /// Makes it a job of so many tasks, some of them at a time.
    pub fn job(mut self, total: u32, max_concurrent: u32) -> Self {
        self.0.mode = ServiceMode::ReplicatedJob { total, max_concurrent };
        self
    }

    /// Makes it a job with a task on every node.
    pub fn global_job(mut self) -> Self {
        self.0.mode = ServiceMode::GlobalJob;
        self
    }

    /// Changes what bounds it as a job.
    pub fn bounded(mut self, change: impl FnOnce(&mut JobConfig)) -> Self {
        change(&mut self.0.job);
        self
    }

    /// Makes it a global one.
    pub fn global(mut self) -> Self {
        self.0.mode = ServiceMode::Global;
        self
    }

    /// Sets the image.
    pub fn image(mut self, image: &str) -> Self {
        self.0.task.container.image = image.into();
        self
    }

    /// Sets how many slots are updated at a time; zero is all.
    pub fn parallelism(self, parallelism: u32) -> Self {
        self.update(|config| config.parallelism = parallelism)
    }

    /// Sets which task acts first in updates and rollbacks.
    pub fn order(mut self, order: RolloutOrder) -> Self {
        self.0.rollback.order = order;
        self.update(|config| config.order = order)
    }

    /// Changes how updates go.
    pub fn update(mut self, change: impl FnOnce(&mut RolloutConfig)) -> Self {
        change(&mut self.0.update);
        self
    }

    /// Changes the restart policy.
    pub fn restart(mut self, change: impl FnOnce(&mut RestartPolicy)) -> Self {
        change(&mut self.0.task.restart);
        self
    }

    /// Adds a constraint.
    pub fn constraint(mut self, constraint: &str) -> Self {
        self.0.task.constraints.push(constraint.parse().expect("tests use good constraints"));
        self
    }

    /// Adds a spread preference over a node label.
    pub fn spread(mut self, label: &str) -> Self {
        let preference = format!("spread=node.labels.{label}");
        self.0.task.preferences.push(preference.parse().expect("tests use good labels"));
        self
    }

    /// Reserves memory.
    pub fn memory(mut self, bytes: u64) -> Self {
        self.0.task.reservations.memory_bytes = bytes;
        self
    }

    /// Reserves processors, in thousandths.
    pub fn cpus(mut self, thousandths: u64) -> Self {
        self.0.task.reservations.nano_cpus = thousandths * 1_000_000;
        self
    }

    /// Publishes a port of the node, which is the container's as well.
    pub fn host_port(mut self, port: u16) -> Self {
        let port = NonZeroU16::new(port).expect("tests use good ports");
        self.0.ports.push(PublishedPort::host(PortProtocol::Tcp, port, port));
        self
    }

    /// Publishes a port on every node, which is the container's as well.
    pub fn ingress_port(mut self, port: u16) -> Self {
        let port = NonZeroU16::new(port).expect("tests use good ports");
        self.0.ports.push(PublishedPort::ingress(PortProtocol::Tcp, port, port));
        self
    }

    /// Publishes a port of the container on every node, at one that the managers choose.
    pub fn chosen_port(mut self, target: u16) -> Self {
        self = self.ingress_port(target);
        self.0.ports.last_mut().expect("one was just added").published = None;
        self
    }

    /// Attaches it to a network.
    pub fn network(mut self, network: NetworkId) -> Self {
        self.0.task.attachments.push(NetworkAttachment { network, aliases: Default::default() });
        self
    }

    /// Has its tasks find a secret, as it is at first.
    pub fn secret(mut self, payload: &Payload) -> Self {
        let name = payload.spec.name.clone();
        let (target, edition) = (name.to_string(), payload.newest());
        let payload = payload.id;
        let used = PayloadUse { payload, name, edition, target, uid: 0, gid: 0, mode: PAYLOAD_MODE };
        self.0.task.container.secrets.push(used);
        self
    }

    /// Has its name answered with its tasks' addresses.
    pub fn dnsrr(mut self) -> Self {
        self.0.endpoint_mode = EndpointMode::Dnsrr;
        self
    }

    /// Bounds the tasks per node.
    pub fn max_per_node(mut self, max: u32) -> Self {
        self.0.task.max_replicas_per_node = Some(max);
        self
    }

    /// The spec.
    pub fn build(self) -> ServiceSpec {
        self.0
    }
}

/// A new task in slot 1 of a service, whose id is the number.
pub fn task(number: u32, service_name: &str) -> Task {
    Task {
        id: TaskId::from_bits(number.into()),
        version: 0,
        created_at: Timestamp(0),
        service: ServiceId::from_bits(1),
        slot: SlotKey::Replica(1),
        spec: Arc::new(service(service_name).build()),
        task_version: 1,
        node: None,
        desired: DesiredState::Running,
        start_after: None,
        status: TaskStatus::new(Timestamp(0)),
        addresses: Vec::new(),
        connections: Vec::new(),
    }
}
