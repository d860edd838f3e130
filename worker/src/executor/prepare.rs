//! Makes a task ready to start: image, mounts, network, files, and the spec of its container.

use super::{
    connection::{ConnectError, Connection, await_networks, connect},
    mounts::{self, ResolveError},
    node::{Node, blocking},
    payloads::{self, PayloadsError},
    ports::{self, PortError},
};
use crate::{
    ledger::{Holding, LedgerError},
    networks::NetworkFault,
    task_files::{Content, NameLookup, TaskFilesError},
};
use proto::model::{ProbeKind, Task, TaskNetwork};
use std::{
    future::Future,
    net::{Ipv4Addr, Ipv6Addr},
    path::PathBuf,
    sync::Arc,
};
use tokio_util::sync::CancellationToken;
use worker_core::{
    etc_files,
    health::{ImageHealthError, Plan, image_health},
    network::HostPort,
    oci_spec::{self, Architecture, ImageConfig, NetworkNamespace, SpecError, SpecInput},
    templates::{self, FillError},
};
use worker_images::{
    Hold, Image, LayerState, PullError, PullProgress, Reference, ReferenceError, StoreError,
};
use worker_network::Attachment;
use worker_runtime::{ContainerStart, IdentityError, identify};

/// A task that can be started.
pub(super) struct Prepared {
    pub start: ContainerStart,
    pub ports: Vec<HostPort>,
    pub has_probes: bool,
}

/// Why a task can't be made ready.
#[derive(Debug, thiserror::Error)]
pub(super) enum PrepareError {
    #[error("cannot look for image `{image}` on this node")]
    Resolve {
        image: String,
        #[source]
        source: StoreError,
    },
    #[error("image `{image}` is not on this node, and its name cannot be pulled")]
    Reference {
        image: String,
        #[source]
        source: ReferenceError,
    },
    #[error("image `{image}` is not on this node and cannot be pulled")]
    Pull {
        image: String,
        #[source]
        source: Arc<PullError>,
    },
    #[error("cannot use image `{image}`")]
    Hold {
        image: String,
        #[source]
        source: StoreError,
    },
    #[error("cannot find out which user runs in image `{image}`")]
    Identity {
        image: String,
        #[source]
        source: IdentityError,
    },
    #[error(transparent)]
    Mount(#[from] ResolveError),
    #[error(transparent)]
    Port(#[from] PortError),
    #[error(transparent)]
    Network(#[from] NetworkFault),
    #[error(transparent)]
    Connect(#[from] ConnectError),
    #[error(transparent)]
    Files(#[from] TaskFilesError),
    #[error(transparent)]
    Spec(#[from] SpecError),
    #[error(transparent)]
    Template(#[from] FillError),
    #[error("cannot probe image `{image}`: say how with the service, or --no-healthcheck")]
    Health {
        image: String,
        #[source]
        source: ImageHealthError,
    },
    #[error(transparent)]
    Payloads(#[from] PayloadsError),
    #[error(transparent)]
    Ledger(#[from] LedgerError),
    /// The task is not wanted any more.
    #[error("the preparation was cut short")]
    Cancelled,
}

/// Prepares one task.
pub(super) struct Preparation<'a, P> {
    pub node: &'a Arc<Node>,
    pub task: &'a Task,
    /// Ends it between two steps, or in the middle of a pull or of the wait for networks.
    pub cancel: &'a CancellationToken,
    /// Told what is being done.
    pub progress: P,
}

impl<P: Fn(String) + Send + Sync> Preparation<'_, P> {
    /// Does every step, with the task's templates filled in. What was taken until it fails is to be given back by the
    /// caller.
    pub(super) async fn run(self) -> Result<Prepared, PrepareError> {
        let Some(spec) = templates::fill(self.task, &self.node.description)? else {
            return self.carry_out().await;
        };
        let task = Task { spec: Arc::new(spec), ..self.task.clone() };
        Preparation { task: &task, ..self }.carry_out().await
    }

    async fn carry_out(&self) -> Result<Prepared, PrepareError> {
        let ports = ports::host_ports(&self.task.spec);
        ports::check_free(self.node.network.host(), &ports).await?;
        let image = self.image().await?;
        let name = || self.task.spec.task.container.image.clone();
        let held = self.node.images.hold(image.id, &self.task.id.to_string()).await;
        let Hold { layers, .. } = held.map_err(|source| PrepareError::Hold { image: name(), source })?;
        self.go_on()?;
        (self.progress)("preparing volumes and network".into());
        let plan = self.probes(image.config.healthcheck.clone())?;
        let config = image_config(image);
        let mut lower_dirs = layers.clone();
        lower_dirs.reverse();
        let identity = self.identity(&config, &lower_dirs).await?;
        let mut mounts = self.mounts(&config, layers).await?;
        mounts.extend(self.payloads().await?);
        self.go_on()?;
        let networks = self.unless_cancelled(await_networks(self.node, self.task)).await??;
        let connection = connect(self.node, self.task, &networks).await?;
        self.go_on()?;
        let attachment = connection.attachment.clone();
        let holding = Holding { attachment: attachment.clone(), ports: ports.clone() };
        let (node, id) = (self.node.clone(), self.task.id);
        blocking(move || node.ledger.hold(id, &holding)).await?;

        let container = &self.task.spec.task.container;
        let files = self.node.files.paths(id);
        let spec = oci_spec::build(&SpecInput {
            task: id,
            container,
            limits: &self.task.spec.task.limits,
            image: &config,
            identity: &identity,
            mounts: &mounts,
            network: &self.namespace(attachment.as_ref()),
            cgroup_path: &self.node.runtime.cgroup_path(id),
            node_cgroups: self.node.runtime.node_cgroups(),
            files: &files,
            available_capabilities: &self.node.capabilities,
            architecture: Architecture::NATIVE,
        })?;
        let hostname = spec.hostname().clone().unwrap_or_default();
        self.write_files(hostname, connection).await?;
        let has_probes = plan.is_some();
        let (files, plan) = (self.node.files.clone(), plan);
        blocking(move || plan.map_or(Ok(()), |plan| files.write_probes(id, &plan))).await?;
        let log = self.task.spec.task.log.clone();
        let stop_signal = config.stop_signal_of(container)?;
        let start = ContainerStart { task: id, spec, lower_dirs, log, stop_signal };
        Ok(Prepared { start, ports, has_probes })
    }

    /// How the container is probed; what the image says of that counts only if the service leaves it to the image.
    fn probes(&self, image: Option<serde_json::Value>) -> Result<Option<Plan>, PrepareError> {
        let container = &self.task.spec.task.container;
        let image = image.filter(|_| container.health.kind == ProbeKind::Image).map(image_health).transpose();
        let failed = |source| PrepareError::Health { image: container.image.clone(), source };
        Ok(Plan::of(container, image.map_err(failed)?.as_ref()))
    }

    fn go_on(&self) -> Result<(), PrepareError> {
        if self.cancel.is_cancelled() { Err(PrepareError::Cancelled) } else { Ok(()) }
    }

    /// The task's image: the one that is here, else it is pulled.
    async fn image(&self) -> Result<Image, PrepareError> {
        let image = self.task.spec.task.container.image.clone();
        let here = self.node.images.resolve(&image).await;
        if let Some(here) = here.map_err(|source| PrepareError::Resolve { image: image.clone(), source })? {
            return Ok(here);
        }
        let reference: Reference =
            image.parse().map_err(|source| PrepareError::Reference { image: image.clone(), source })?;
        (self.progress)(format!("pulling image {image}"));
        let mut told = None;
        let pull = self.node.images.pull(&reference, &self.node.pull, |progress| {
            let done = layers_done(progress);
            if told.replace(done) != Some(done) && done.1 > 0 {
                (self.progress)(format!("pulling image {image}: {} of {} layers", done.0, done.1));
            }
        });
        self.unless_cancelled(pull)
            .await?
            .map_err(|source| PrepareError::Pull { image: image.clone(), source })
    }

    async fn unless_cancelled<T>(&self, work: impl Future<Output = T>) -> Result<T, PrepareError> {
        tokio::select! {
            done = work => Ok(done),
            () = self.cancel.cancelled() => Err(PrepareError::Cancelled),
        }
    }

    async fn identity(
        &self,
        config: &ImageConfig,
        lower_dirs: &[PathBuf],
    ) -> Result<oci_spec::Identity, PrepareError> {
        let container = &self.task.spec.task.container;
        let user = config.user_of(container).map(str::to_owned);
        let (groups, layers) = (container.groups.clone(), lower_dirs.to_vec());
        let found = blocking(move || identify(&layers, user.as_deref(), &groups)).await;
        found.map_err(|source| PrepareError::Identity { image: container.image.clone(), source })
    }

    async fn mounts(
        &self,
        config: &ImageConfig,
        layers: Vec<PathBuf>,
    ) -> Result<Vec<oci_spec::ResolvedMount>, PrepareError> {
        let (volumes, id, config) = (self.node.volumes.clone(), self.task.id, config.clone());
        let spec = self.task.spec.clone();
        let resolve = move || mounts::resolve(&volumes, id, &spec.task.container.mounts, &config, &layers);
        Ok(blocking(resolve).await?)
    }

    /// The secrets and configs, once the managers have told them.
    async fn payloads(&self) -> Result<Vec<oci_spec::ResolvedMount>, PrepareError> {
        let lacking =
            self.node.payloads.known().borrow().lacks(self.task).map(|(kind, used)| (kind, &used.name));
        if let Some((kind, name)) = lacking {
            (self.progress)(format!("waiting for the managers to tell {kind} {name}"));
        }
        let files = self.node.payloads.files(self.task, &self.node.description);
        let files = self.unless_cancelled(files).await?.map_err(PayloadsError::from)?;
        Ok(payloads::write(self.node, self.task, files).await?)
    }

    fn namespace(&self, attachment: Option<&Attachment>) -> NetworkNamespace {
        attachment
            .map_or(NetworkNamespace::Host, |attachment| NetworkNamespace::Path(attachment.netns.clone()))
    }

    async fn write_files(&self, hostname: String, connection: Connection) -> Result<(), PrepareError> {
        let (files, id, network) = (self.node.files.clone(), self.task.id, self.task.spec.task.network);
        let Connection { addresses, has_name_server: has_own_server, .. } = connection;
        let gateway = match network {
            TaskNetwork::Host => vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()],
            TaskNetwork::Node | TaskNetwork::None => self.node.network.host_gateway().await,
        };
        let container = &self.task.spec.task.container;
        let extra_hosts = etc_files::extra_hosts(&container.hosts, &gateway);
        let names = NameLookup { has_own_server, dns: container.dns.clone() };
        let content = Content { hostname, network, names, addresses, extra_hosts };
        let write = move || files.write(id, &content);
        Ok(blocking(write).await?)
    }
}

fn layers_done(progress: &PullProgress) -> (usize, usize) {
    let done = progress.layers.iter().filter(|layer| layer.state == LayerState::Done);
    (done.count(), progress.layers.len())
}

/// What the image says, in the words of the spec's rules.
fn image_config(image: Image) -> ImageConfig {
    let config = image.config;
    let given = |text: String| Some(text).filter(|text| !text.is_empty());
    ImageConfig {
        env: config.env,
        entrypoint: config.entrypoint,
        cmd: config.cmd,
        user: given(config.user),
        workdir: given(config.working_dir),
        stop_signal: config.stop_signal,
        labels: config.labels,
        volumes: config.volumes,
    }
}
