//! Checked types: once a value of one of these exists, it is well formed.

pub mod address_pools;
pub mod carried_out;
pub mod cluster;
pub mod comparison;
pub mod connection;
pub mod constraint;
pub mod container;
pub mod dns_config;
pub mod extra_host;
pub mod host_ip;
pub mod id;
pub mod job;
pub mod mount;
pub mod name;
pub mod network;
pub mod network_kind;
pub mod node;
pub mod payload;
pub mod port;
pub mod probe;
pub mod problem;
pub mod resources;
pub mod revision;
pub mod rollout;
pub mod service;
pub mod signal;
pub mod stack;
pub mod sysctl;
pub mod task;
pub mod task_state;
pub mod template;
pub mod time;
pub mod ulimit;

pub use address_pools::AddressPools;
pub use carried_out::CarriedOut;
pub use cluster::{Cluster, ClusterSpec, JoinTokens, RootCa};
pub use comparison::Comparison;
pub use connection::TaskConnection;
pub use constraint::{Constraint, Preference};
pub use container::ContainerSpec;
pub use dns_config::DnsConfig;
pub use extra_host::{ExtraHost, HostTarget};
pub use host_ip::{HostIp, HostIpError};
pub use id::{ClusterId, Id, IdSource, NetworkId, NodeId, PayloadId, ServiceId, StackId, TaskId};
pub use job::{JobConfig, JobEnd, JobRun};
pub use mount::{Mount, MountKind};
pub use name::Name;
pub use network::{
    BLOCK_SIZE, EndpointMode, EndpointState, IPV6_MTU_MIN, Ipv4Pool, Ipv6Pool, MTUS, Network, NetworkAddress,
    NetworkAttachment, NetworkEndpoint, NetworkInfo, NetworkPeer, NetworkService, NetworkSpec, NetworkTable,
    NetworkUpdate, NodeLease, VNIS,
};
pub use network_kind::{Macvlan, MacvlanMode, NetworkKind, ParentLink};
pub use node::{Availability, ManagerStatus, Node, NodeDescription, NodeSpec, NodeState, NodeStatus, Role};
pub use payload::{
    Content, Edition, Payload, PayloadDelivery, PayloadKind, PayloadName, PayloadSpec, PayloadUse, Roll,
};
pub use port::{CHOSEN_PORTS, PortMode, PortProtocol, PortTraffic, PublishedPort};
pub use probe::{Probe, ProbeKind, ProbeRole};
pub use problem::{Problem, Problems};
pub use resources::{Limits, Reservations};
pub use revision::{REVISIONS_MAX, Revision, RevisionMark};
pub use rollout::{
    FailureAction, Rollout, RolloutConfig, RolloutCounts, RolloutOrder, RolloutState, SlotProgress,
};
pub use service::{
    PreviousSpec, RestartCondition, RestartPolicy, Service, ServiceMode, ServiceSpec, TaskNetwork, TaskSpec,
};
pub use signal::Signal;
pub use stack::{Stack, StackCondition, StackDependency, StackService, StackSpec};
pub use sysctl::Sysctl;
pub use task::{
    DesiredState, ExitStatus, GivenUp, HealthStatus, RestartHistory, Slot, SlotKey, Task, TaskStatus,
};
pub use task_state::TaskState;
pub use template::{Template, TemplateField};
pub use time::Timestamp;
pub use ulimit::Ulimit;
