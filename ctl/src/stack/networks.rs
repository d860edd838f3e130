//! The networks of a stack: those that its services use, and which network each key stands for.

use super::spec::{NAMESPACE, name_of, scoped};
use crate::{
    args::{Cli, Command, network::NetworkCommand},
    parse::csv,
    spec,
};
use clap::Parser;
use compose::{
    At, Report,
    model::{Network, NetworkMode, Project, Service},
};
use proto::wire;
use std::collections::{BTreeMap, BTreeSet};

/// The key of the network of services that name none.
const DEFAULT: &str = "default";
/// Networks that every node has by itself.
const OWN: [&str; 3] = ["bridge", "host", "none"];

/// What the networks of a project are called in the cluster.
pub struct Networks {
    names: BTreeMap<String, String>,
}

/// A network of a service, as the value of `--network`.
pub struct Connected {
    /// Where it stands.
    pub at: At<String>,
    /// The option's value.
    pub option: String,
}

impl Networks {
    /// Names the networks of a project.
    pub fn of_project(project: &Project, stack: &str) -> Self {
        let name = |network: &Network| name_of(stack, &network.key, network.name.as_ref(), network.external);
        let mut names: BTreeMap<String, String> =
            project.networks.iter().map(|(key, network)| (key.clone(), name(network))).collect();
        names.entry(DEFAULT.into()).or_insert_with(|| scoped(stack, DEFAULT));
        Self { names }
    }

    /// The networks of one service. It answers to its key in each.
    pub fn of(&self, service: &Service) -> Vec<Connected> {
        if let Some(mode) = &service.network_mode {
            let word = match mode.value {
                NetworkMode::Bridge => "bridge",
                NetworkMode::Host => "host",
                NetworkMode::None => "none",
            };
            return vec![Connected { at: mode.with(word.to_owned()), option: word.into() }];
        }
        if service.networks.is_empty() {
            return vec![self.connected(&service.key.with(DEFAULT.to_owned()), &service.key, &[])];
        }
        let connected = |attachment: &compose::model::Attachment| {
            self.connected(&attachment.network, &service.key, &attachment.aliases)
        };
        service.networks.iter().map(connected).collect()
    }

    fn connected(&self, key: &At<String>, service: &str, aliases: &[At<String>]) -> Connected {
        let name = self.names.get(&key.value).cloned().unwrap_or_else(|| key.value.clone());
        if OWN.contains(&name.as_str()) {
            return Connected { at: key.clone(), option: name };
        }
        let aliases: BTreeSet<&str> =
            aliases.iter().map(|alias| alias.value.as_str()).chain([service]).collect();
        let mut fields = vec![format!("name={name}")];
        fields.extend(aliases.into_iter().map(|alias| format!("alias={alias}")));
        let option = fields.iter().map(|field| csv::field(field)).collect::<Vec<_>>().join(",");
        Connected { at: key.clone(), option }
    }
}

/// The networks that a stack makes: those that its services name, and the default one if a service names none.
pub fn network_specs(project: &Project, stack: &str, report: &Report) -> Vec<wire::NetworkSpec> {
    let uses_own = |service: &Service| service.network_mode.is_none();
    let mut used: BTreeSet<&str> = BTreeSet::new();
    for service in project.services.values().filter(|service| uses_own(service)) {
        used.extend(service.networks.iter().map(|attachment| attachment.network.as_str()));
        if service.networks.is_empty() {
            used.insert(DEFAULT);
        }
    }
    let spec = |key: &str| match project.networks.get(key) {
        Some(network) if network.external => None,
        Some(network) => network_spec(network, stack, report),
        None => Some(wire::NetworkSpec {
            name: scoped(stack, key),
            labels: [(NAMESPACE.to_owned(), stack.to_owned())].into(),
            ..Default::default()
        }),
    };
    used.into_iter().filter_map(spec).collect()
}

/// The network that `network create` would make with the same options.
fn network_spec(network: &Network, stack: &str, report: &Report) -> Option<wire::NetworkSpec> {
    let mut words = ["shoal", "network", "create"].map(String::from).to_vec();
    let mut made_of: Vec<(&str, At<String>)> = Vec::new();
    let mut set = |option: &'static str, value: String, at: At<String>| {
        words.push(format!("{option}={value}"));
        made_of.push((option, at));
    };
    if let Some(driver) = &network.driver {
        set("--driver", driver.value.clone(), driver.clone());
    }
    for (key, value) in &network.driver_opts {
        set("--opt", format!("{key}={}", value.value), value.clone());
    }
    for (key, value) in &network.labels {
        set("--label", format!("{key}={}", value.value), value.clone());
    }
    set("--label", format!("{NAMESPACE}={stack}"), network.key.clone());
    for pool in &network.ipam.pools {
        for (option, text) in
            [("--subnet", &pool.subnet), ("--gateway", &pool.gateway), ("--ip-range", &pool.ip_range)]
        {
            if let Some(text) = text {
                set(option, text.value.clone(), text.clone());
            }
        }
        for (_, address) in &pool.aux_addresses {
            report.warn(
                &address.place,
                &address.path,
                "not honoured: keep others' addresses out with ip_range",
            );
        }
    }
    for (option, flag) in [("--internal", &network.internal), ("--ipv6", &network.enable_ipv6)] {
        if flag.as_ref().is_some_and(|flag| flag.value) {
            words.push(option.into());
        }
    }
    // A stack's network may be used by hand unless the file says no, as with docker it may if it says so.
    if network.attachable.as_ref().is_some_and(|attachable| attachable.value) {
        words.push("--attachable".into());
    }
    words.push(name_of(stack, &network.key, network.name.as_ref(), false));
    let args = match Cli::try_parse_from(&words).map(|cli| cli.command) {
        Ok(Command::Network(NetworkCommand::Create(args))) => args,
        Ok(_) => return None,
        Err(error) => {
            let message = error.to_string();
            report.error(&network.key.place, &network.key.path, message.lines().next().unwrap_or_default());
            return None;
        }
    };
    let made = spec::create_network(&args)
        .and_then(|spec| proto::model::NetworkSpec::try_from(spec.clone()).map(|_| spec));
    match made {
        Ok(spec) => Some(spec),
        Err(problems) => {
            for problem in &problems.0 {
                let found = made_of.iter().find(|(option, _)| *option == problem.field);
                let at = found.map_or(&network.key, |(_, at)| at);
                report.error(&at.place, &at.path, &problem.message);
            }
            None
        }
    }
}
