//! The OCI runtime spec of a task's container, with Docker's meaning of every setting.
//!
//! [`build`] is pure: names are resolved to ids and paths before, and the spec is carried out by the
//! runtime afterwards. What a container may do is decided here and nowhere else.

mod capabilities;
pub mod devices;
mod error;
mod image_config;
mod mounts;
mod process;
mod resources;
mod seccomp;
pub mod users;

#[cfg(test)]
mod golden_tests;

pub use capabilities::{DEFAULT as DEFAULT_CAPABILITIES, from_mask as capabilities_from_mask};
pub use error::SpecError;
pub use image_config::ImageConfig;
pub use process::DEFAULT_PATH;
pub use seccomp::Architecture;
pub use users::{Identity, UserError};

use oci_spec::OciSpecError;
use oci_spec::runtime::{
    Capability, Linux, LinuxBuilder, LinuxNamespace, LinuxNamespaceBuilder, LinuxNamespaceType, RootBuilder,
    Spec, SpecBuilder,
};
use proto::model::{ContainerSpec, Limits, TaskId};
use std::path::PathBuf;

/// The version of the runtime spec that is written.
const OCI_VERSION: &str = "1.0.2";
/// The root file system, relative to the folder the spec lies in.
pub const ROOTFS: &str = "rootfs";
/// The longest host name the kernel takes, in bytes.
const HOSTNAME_MAX: usize = 64;

/// Everything a container's spec is made from.
#[derive(Debug, Clone, Copy)]
pub struct SpecInput<'a> {
    /// The task; also the container's id.
    pub task: TaskId,
    /// What the user asked for.
    pub container: &'a ContainerSpec,
    /// What it may use at most.
    pub limits: &'a Limits,
    /// What the image says.
    pub image: &'a ImageConfig,
    /// Who its main process is.
    pub identity: &'a Identity,
    /// The task's mounts, with paths of this node.
    pub mounts: &'a [ResolvedMount],
    /// Where its network comes from.
    pub network: &'a NetworkNamespace,
    /// Its cgroup, from the root of each hierarchy.
    pub cgroup_path: &'a str,
    /// What the node's cgroups can do.
    pub node_cgroups: NodeCgroups,
    /// Files of this node that are shown below `/etc`.
    pub files: &'a GeneratedFiles,
    /// What the daemon itself may hand on.
    pub available_capabilities: &'a [Capability],
    /// What the node's programs are made for.
    pub architecture: Architecture,
}

/// A mount whose source is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResolvedMount {
    /// Absolute path in the container.
    pub target: String,
    /// Whether the container may only read it.
    pub read_only: bool,
    /// What is mounted.
    pub source: ResolvedSource,
}

/// What a resolved mount shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ResolvedSource {
    /// A file or folder of this node.
    Path(PathBuf),
    /// Memory.
    Tmpfs {
        /// Largest size in bytes; `None` is half of the memory.
        size_bytes: Option<u64>,
        /// Permission bits of its root; `None` is 1777.
        mode: Option<u32>,
    },
}

/// Where a container's network comes from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum NetworkNamespace {
    /// The node's own.
    Host,
    /// A namespace that was made before, by the path it is mounted at.
    Path(PathBuf),
    /// A new one with nothing but loopback.
    Isolated,
}

/// Which cgroups a node has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CgroupVersion {
    /// A hierarchy per controller, maybe with an empty version 2 tree beside them (hybrid).
    V1,
    /// The unified hierarchy.
    V2,
}

/// What a node's cgroups can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeCgroups {
    /// Which version there is.
    pub version: CgroupVersion,
    /// Whether swap can be limited, which some kernels leave out: there a limit of memory says nothing
    /// about swap.
    pub limits_swap: bool,
}

/// Files of this node that are shown below `/etc`; what is `None` is left to the image.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct GeneratedFiles {
    /// Shown as `/etc/hosts`.
    pub hosts: Option<PathBuf>,
    /// Shown as `/etc/hostname`.
    pub hostname: Option<PathBuf>,
    /// Shown as `/etc/resolv.conf`.
    pub resolv_conf: Option<PathBuf>,
}

/// Describes a task's container.
pub fn build(input: &SpecInput) -> Result<Spec, SpecError> {
    let hostname = hostname(input)?;
    let process = process::process(input, &hostname)?;
    let held = process.capabilities().as_ref().and_then(|sets| sets.bounding().clone()).unwrap_or_default();
    let seccomp = seccomp::profile(input.architecture, |capability| held.contains(&capability));
    let linux = LinuxBuilder::default()
        .namespaces(namespaces(input))
        .cgroups_path(input.cgroup_path)
        .resources(resources::resources(input.limits, input.node_cgroups.limits_swap))
        .masked_paths(mounts::MASKED.map(String::from).to_vec())
        .readonly_paths(mounts::read_only_paths(input.node_cgroups.version))
        .seccomp(seccomp);
    let spec = SpecBuilder::default()
        .version(OCI_VERSION)
        .root(built(RootBuilder::default().path(ROOTFS).readonly(input.container.read_only).build()))
        .process(process)
        .hostname(hostname)
        .mounts(mounts::mounts(input.files, input.mounts))
        .linux(built::<Linux>(linux.build()));
    let mut spec = built(spec.build());
    let labels = input.image.labels.iter().chain(&input.container.labels);
    if !input.container.sysctls.is_empty() {
        let settings = input.container.sysctls.iter();
        let settings =
            settings.map(|setting| (setting.name().to_owned(), setting.value().to_owned())).collect();
        if let Some(linux) = spec.linux_mut() {
            linux.set_sysctl(Some(settings));
        }
    }
    spec.set_annotations(Some(labels.map(|(name, value)| (name.clone(), value.clone())).collect()));
    Ok(spec)
}

/// Says a container's host name: what was asked for, else the task's id, shortened as Docker does.
fn hostname(input: &SpecInput) -> Result<String, SpecError> {
    let name = match input.container.hostname.as_deref() {
        None | Some("") => return Ok(input.task.short(12)),
        Some(name) => name,
    };
    let allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '.' | '_');
    if name.len() > HOSTNAME_MAX || !name.chars().all(allowed) || name.starts_with(['-', '.']) {
        return Err(SpecError::Hostname { name: name.into() });
    }
    Ok(name.into())
}

fn namespaces(input: &SpecInput) -> Vec<LinuxNamespace> {
    use LinuxNamespaceType::{Cgroup, Ipc, Mount, Network, Pid, Uts};
    let new = |kind| LinuxNamespaceBuilder::default().typ(kind);
    let mut namespaces: Vec<_> = [Pid, Mount, Uts, Ipc].map(new).into();
    match input.network {
        NetworkNamespace::Host => {}
        NetworkNamespace::Path(path) => namespaces.push(new(Network).path(path)),
        NetworkNamespace::Isolated => namespaces.push(new(Network)),
    }
    // With version 1 the same is done by mounting only the container's own part of each hierarchy.
    if input.node_cgroups.version == CgroupVersion::V2 {
        namespaces.push(new(Cgroup));
    }
    namespaces.into_iter().map(|namespace| built(namespace.build())).collect()
}

/// The builders of the spec's types fail only on fields without a default, of which there are none.
fn built<T>(result: Result<T, OciSpecError>) -> T {
    result.expect("every field of the spec's types has a default")
}
