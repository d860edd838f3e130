//! A service.

use super::{
    Attachment, Dependency, Deploy, FileReference, Healthcheck, Mount, Port, mounts, network, references,
};
use crate::{
    fields::Fields,
    node::{Node, Value},
    place::At,
    report::Report,
};

/// What is to run.
#[derive(Debug, Clone, PartialEq)]
pub struct Service {
    /// Its key, where it stands.
    pub key: At<String>,
    /// The image.
    pub image: Option<At<String>>,
    /// Replaces the image's entrypoint.
    pub entrypoint: Vec<At<String>>,
    /// Replaces the image's command.
    pub command: Vec<At<String>>,
    /// Variables.
    pub environment: Vec<(String, At<String>)>,
    /// Labels of the containers.
    pub labels: Vec<(String, At<String>)>,
    /// The containers' host name.
    pub hostname: Option<At<String>>,
    /// Who the command runs as.
    pub user: Option<At<String>>,
    /// Where the command runs.
    pub working_dir: Option<At<String>>,
    /// Further groups.
    pub group_add: Vec<At<String>>,
    /// Whether the image's files can't be written to.
    pub read_only: Option<At<bool>>,
    /// Whether a small init is the first process.
    pub init: Option<At<bool>>,
    /// Files and folders.
    pub mounts: Vec<Mount>,
    /// Capabilities added.
    pub cap_add: Vec<At<String>>,
    /// Capabilities dropped.
    pub cap_drop: Vec<At<String>>,
    /// The signal that asks it to stop.
    pub stop_signal: Option<At<String>>,
    /// How long it may take to stop.
    pub stop_grace_period: Option<At<String>>,
    /// Lines of /etc/hosts: names with addresses.
    pub extra_hosts: Vec<(String, At<String>)>,
    /// Name servers.
    pub dns: Vec<At<String>>,
    /// Domains in which names are looked for.
    pub dns_search: Vec<At<String>>,
    /// Options of resolv.conf.
    pub dns_opt: Vec<At<String>>,
    /// Limits of each process.
    pub ulimits: Vec<Ulimit>,
    /// Kernel settings.
    pub sysctls: Vec<(String, At<String>)>,
    /// How soon it is killed when memory runs out.
    pub oom_score_adj: Option<At<i128>>,
    /// Its networks.
    pub networks: Vec<Attachment>,
    /// Something else than networks of the cluster.
    pub network_mode: Option<At<NetworkMode>>,
    /// Its ports.
    pub ports: Vec<Port>,
    /// How its output is kept.
    pub logging: Option<Logging>,
    /// How it runs in the cluster.
    pub deploy: Deploy,
    /// What Compose itself does when a container ends: `no`, `always`, `unless-stopped` or `on-failure[:N]`.
    pub restart: Option<At<String>>,
    /// How it is found out whether it does its work.
    pub healthcheck: Option<Healthcheck>,
    /// What is to be there first.
    pub depends_on: Vec<Dependency>,
    /// Its secrets.
    pub secrets: Vec<FileReference>,
    /// Its configs.
    pub configs: Vec<FileReference>,
    /// The profiles that it is part of; none, and it is part of all.
    pub profiles: Vec<At<String>>,
}

/// What containers are connected to instead of networks of the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkMode {
    /// The node's own network.
    Bridge,
    /// The node's interfaces.
    Host,
    /// Nothing.
    None,
}

/// A limit on each process.
#[derive(Debug, Clone, PartialEq)]
pub struct Ulimit {
    /// Its name.
    pub name: At<String>,
    /// What a process may raise itself to.
    pub soft: i128,
    /// What none may exceed.
    pub hard: i128,
}

/// How output is kept.
#[derive(Debug, Clone, PartialEq)]
pub struct Logging {
    /// Who keeps it.
    pub driver: Option<At<String>>,
    /// How.
    pub options: Vec<(String, At<String>)>,
}

/// What is known of Compose and not honoured, and why.
const NOT_HONOURED: &[(&str, &str)] = &[
    ("annotations", "containers have labels only"),
    ("attach", "a deployment shows no output: see `shoal service logs`"),
    ("blkio_config", "disks are not shared out"),
    ("build", "the cluster builds no images: build it and give its name as image:"),
    ("cgroup", "every container has a cgroup of its own"),
    ("cgroup_parent", "every container has a cgroup of its own"),
    ("container_name", "a task's name is SERVICE.SLOT.ID, and its service answers to the service's name"),
    ("cpu_count", "set deploy.resources.limits.cpus"),
    ("cpu_percent", "set deploy.resources.limits.cpus"),
    ("cpu_period", "set deploy.resources.limits.cpus"),
    ("cpu_quota", "set deploy.resources.limits.cpus"),
    ("cpu_rt_period", "set deploy.resources.limits.cpus"),
    ("cpu_rt_runtime", "set deploy.resources.limits.cpus"),
    ("cpu_shares", "set deploy.resources.reservations.cpus"),
    ("cpuset", "processors are not given out one by one"),
    ("credential_spec", "it is Windows' own"),
    ("develop", "it is for `docker compose watch`"),
    ("device_cgroup_rules", "containers have no devices of the node"),
    ("devices", "containers have no devices of the node"),
    ("domainname", "set hostname"),
    ("external_links", "attach both to one network"),
    ("gpus", "containers have no devices of the node"),
    ("ipc", "every container has an IPC namespace of its own"),
    ("isolation", "it is Windows' own"),
    ("links", "services of one network reach each other by name: use aliases of a network"),
    ("mac_address", "the cluster gives addresses"),
    ("mem_swappiness", "swap is the node's affair"),
    ("memswap_limit", "swap is the node's affair"),
    ("models", "models are not run by the cluster"),
    ("oom_kill_disable", "set oom_score_adj"),
    ("pid", "every container has a PID namespace of its own"),
    ("platform", "constrain the service: deploy.placement.constraints: [node.platform.arch==x86_64]"),
    ("post_start", "nothing is run beside a container's command"),
    ("pre_stop", "nothing is run beside a container's command"),
    ("privileged", "set cap_add for what it needs"),
    ("provider", "the cluster runs containers only"),
    ("pull_policy", "an image is pulled where its node does not have it"),
    ("runtime", "the cluster runs containers itself"),
    ("security_opt", "containers have the default profile"),
    ("shm_size", "/dev/shm has 64 MiB: mount a tmpfs there"),
    ("stdin_open", "containers have no standard input"),
    ("storage_opt", "layers have no size"),
    ("tty", "containers have no terminal"),
    ("use_api_socket", "containers have no way to the cluster's socket"),
    ("userns_mode", "containers have the node's users"),
    ("uts", "every container has a host name of its own"),
    ("volumes_from", "name the same volume in both services"),
];

impl Service {
    pub(super) fn read(key: At<String>, node: &Node, report: &Report) -> Option<Service> {
        let fields = Fields::of(node, key.path.clone(), report)?;
        let mut deploy = Deploy::default();
        if let Some(fields) = fields.fields("deploy") {
            deploy = Deploy::read(&fields);
            fields.finish();
        }
        older_forms(&fields, &mut deploy);
        let service = Service {
            image: fields.text("image"),
            entrypoint: command(&fields, "entrypoint"),
            command: command(&fields, "command"),
            environment: fields.pairs("environment"),
            labels: fields.pairs("labels"),
            hostname: fields.text("hostname"),
            user: fields.text_or_number("user"),
            working_dir: fields.text("working_dir"),
            group_add: fields.texts("group_add"),
            read_only: fields.truth("read_only"),
            init: fields.truth("init"),
            mounts: mounts::read(&fields),
            cap_add: fields.texts("cap_add"),
            cap_drop: fields.texts("cap_drop"),
            stop_signal: fields.text("stop_signal"),
            stop_grace_period: fields.text("stop_grace_period"),
            extra_hosts: extra_hosts(&fields),
            dns: fields.texts("dns"),
            dns_search: fields.texts("dns_search"),
            dns_opt: fields.texts("dns_opt"),
            ulimits: ulimits(&fields),
            sysctls: fields.pairs("sysctls"),
            oom_score_adj: fields.number("oom_score_adj"),
            networks: network::attachments(&fields),
            network_mode: network_mode(&fields),
            ports: references::ports(&fields),
            logging: fields.fields("logging").map(logging),
            deploy,
            restart: fields.text("restart"),
            healthcheck: fields.fields("healthcheck").map(Healthcheck::read),
            depends_on: references::dependencies(&fields),
            secrets: references::files(&fields, "secrets"),
            configs: references::files(&fields, "configs"),
            profiles: fields.texts("profiles"),
            key,
        };
        fields.accepted(&["expose", "extends", "env_file", "label_file"]);
        fields.not_honoured(NOT_HONOURED);
        if let (Some(mode), false) = (&service.network_mode, service.networks.is_empty()) {
            report.error(
                &mode.place,
                &mode.path,
                "a service has either this or networks: leave one of them out",
            );
        }
        fields.finish();
        Some(service)
    }
}

/// What `deploy` says too. If both do, `deploy` counts.
fn older_forms(fields: &Fields, deploy: &mut Deploy) {
    let or = |known: &mut Option<At<String>>, other: Option<At<String>>| *known = known.take().or(other);
    or(&mut deploy.limits.cpus, fields.text_or_number("cpus"));
    or(&mut deploy.limits.memory, fields.text_or_number("mem_limit"));
    or(&mut deploy.reservations.memory, fields.text_or_number("mem_reservation"));
    let (pids, scale) = (fields.number("pids_limit"), fields.count("scale"));
    deploy.limits.pids = deploy.limits.pids.take().or(pids);
    deploy.replicas = deploy.replicas.take().or(scale);
}

/// A command as words; a text is split as a shell splits it.
fn command(fields: &Fields, key: &'static str) -> Vec<At<String>> {
    match fields.get(key) {
        Some(node) if node.as_text().is_some() => {
            let Some(text) = fields.text(key) else { return Vec::new() };
            let words = fields.report.read(&text, |text| crate::words::split(text));
            words.into_iter().flatten().map(|word| text.with(word)).collect()
        }
        _ => fields.texts(key),
    }
}

fn extra_hosts(fields: &Fields) -> Vec<(String, At<String>)> {
    let mut hosts = Vec::new();
    for (name, node) in fields.entries("extra_hosts") {
        let one = std::slice::from_ref(node);
        for address in node.as_list().unwrap_or(one) {
            match address.as_text() {
                Some(text) => hosts.push((
                    name.value.clone(),
                    At { value: text.to_owned(), place: address.place.clone(), path: name.path.clone() },
                )),
                None => fields.report.error(
                    &address.place,
                    &name.path,
                    format!("this must be an address, and is {}", address.value.kind()),
                ),
            }
        }
    }
    hosts
}

fn ulimits(fields: &Fields) -> Vec<Ulimit> {
    let entries = fields.entries("ulimits").into_iter();
    entries
        .filter_map(|(name, node)| match &node.value {
            Value::Int(limit) => Some(Ulimit { name, soft: *limit, hard: *limit }),
            Value::Text(text) => match text.trim().parse() {
                Ok(limit) => Some(Ulimit { name, soft: limit, hard: limit }),
                Err(_) => {
                    fields.report.error(
                        &node.place,
                        &name.path,
                        format!("`{text}` is not a limit: write a number, or soft: and hard:"),
                    );
                    None
                }
            },
            _ => {
                let fields = Fields::of(node, name.path.clone(), fields.report)?;
                let (soft, hard) = (fields.number("soft"), fields.number("hard"));
                if soft.is_none() && hard.is_none() {
                    fields.report.error(
                        &node.place,
                        &name.path,
                        "nothing says what the limit is: add soft: and hard:",
                    );
                }
                fields.finish();
                let (soft, hard) = match (soft, hard) {
                    (Some(soft), Some(hard)) => (soft.value, hard.value),
                    (Some(one), None) | (None, Some(one)) => (one.value, one.value),
                    (None, None) => return None,
                };
                Some(Ulimit { name, soft, hard })
            }
        })
        .collect()
}

fn network_mode(fields: &Fields) -> Option<At<NetworkMode>> {
    let mode = fields.text("network_mode")?;
    let read = |word: &String| match word.as_str() {
        "bridge" | "default" => Ok(NetworkMode::Bridge),
        "host" => Ok(NetworkMode::Host),
        "none" => Ok(NetworkMode::None),
        other => Err(format!(
            "`{other}` is not possible in a cluster, where containers are on different nodes: use bridge, host or none, or networks:"
        )),
    };
    fields.report.read(&mode, read).map(|value| mode.with(value))
}

fn logging(fields: Fields) -> Logging {
    let logging = Logging { driver: fields.text("driver"), options: fields.pairs("options") };
    fields.finish();
    logging
}
