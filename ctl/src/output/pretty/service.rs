//! A service for people.

use super::label_lines;
use crate::{
    output::{inspect, networks, sizes, states, times},
    parse::duration,
};
use proto::wire::{
    ContainerSpec, JobStatus, Network, PublishedPort, Resources, RolloutConfig, RolloutState, RolloutStatus,
    Service, TaskNetwork, TaskSpec, service_spec::Mode,
};

/// Writes a service; `networks` tells the names of those it is in.
pub fn service(service: &Service, networks: &[Network], now_ms: i64) -> String {
    let spec = service.spec.clone().unwrap_or_default();
    let endpoint_mode = spec.endpoint_mode();
    let task = spec.task.unwrap_or_default();
    let mut text = format!("ID:\t\t{}\nName:\t\t{}\n", service.id, spec.name);
    if !spec.labels.is_empty() {
        text += &format!("Labels:\n{}", label_lines(&spec.labels, " "));
    }
    text += &match spec.mode {
        Some(Mode::Global(_)) => "Service Mode:\tGlobal\n".to_owned(),
        Some(Mode::ReplicatedJob(job)) => format!(
            "Service Mode:\tReplicatedJob\n Max Concurrent:\t{}\n Total Completions:\t{}\n",
            job.max_concurrent, job.total
        ),
        Some(Mode::GlobalJob(_)) => "Service Mode:\tGlobalJob\n".to_owned(),
        Some(Mode::Replicated(mode)) => format!("Service Mode:\tReplicated\n Replicas:\t{}\n", mode.replicas),
        None => "Service Mode:\tReplicated\n".to_owned(),
    };
    text += &service.rollout.as_ref().map(|rollout| update_status(rollout, now_ms)).unwrap_or_default();
    text += &service.job.as_ref().map(|run| job(run, now_ms)).unwrap_or_default();
    text += &placement(&task);
    let rollouts = [(spec.update, "Update"), (spec.rollback, "Rollback")];
    for (config, word) in rollouts.iter().filter(|_| service.job.is_none()) {
        text += &config.as_ref().map(|config| rollout_config(config, word)).unwrap_or_default();
    }
    text += &container(&task.container.clone().unwrap_or_default());
    text += &log(&task);
    text += &resources(&task);
    text += &network_names(&task, networks);
    text += &format!("Endpoint Mode:\t{}\n", states::endpoint_mode(endpoint_mode));
    text += &ports(&service.ports);
    text
}

fn job(run: &JobStatus, now_ms: i64) -> String {
    let mut text = format!("JobStatus:\n Iteration:\t{}\n", run.iteration);
    text += &format!(" Started:\t{}\n", times::ago(run.started_at, now_ms));
    text += &format!(" Completed:\t{}/{}\n", run.completed_tasks, run.total_tasks);
    if run.failures > 0 {
        text += &format!(" Failures:\t{}\n", run.failures);
    }
    if let Some(ended) = run.ended_at {
        text += &format!(" Ended:\t\t{}\n", times::ago(ended, now_ms));
    }
    if !run.failure.is_empty() {
        text += &format!(" Failed:\t{}\n", run.failure);
    }
    text
}

fn update_status(rollout: &RolloutStatus, now_ms: i64) -> String {
    let mut text = format!("UpdateStatus:\n State:\t\t{}\n", states::rollout(rollout.state()));
    text += &format!(" Started:\t{}\n", times::ago(rollout.started_at, now_ms));
    if let (RolloutState::Completed, Some(ended)) = (rollout.state(), rollout.ended_at) {
        text += &format!(" Completed:\t{}\n", times::ago(ended, now_ms));
    }
    text + &format!(" Message:\t{}\n", rollout.message)
}

fn placement(task: &TaskSpec) -> String {
    let mut text = "Placement:\n".to_owned();
    if !task.constraints.is_empty() {
        text += &format!(" Constraints:\t[{}]\n", task.constraints.join(" "));
    }
    if !task.preferences.is_empty() {
        text += &format!(" Preferences:   [{}]\n", task.preferences.join(" "));
    }
    if task.max_replicas_per_node > 0 {
        text += &format!(" Max Replicas Per Node:   {}\n", task.max_replicas_per_node);
    }
    text
}

fn rollout_config(config: &RolloutConfig, word: &str) -> String {
    let mut text = format!("{word}Config:\n Parallelism:\t{}\n", config.parallelism);
    if config.delay_ms > 0 {
        text += &format!(" Delay:\t\t{}\n", duration::go_text(config.delay_ms));
    }
    text += &format!(" On failure:\t{}\n", states::failure_action(config.failure_action()));
    if config.monitor_ms > 0 {
        text += &format!(" Monitoring Period: {}\n", duration::go_text(config.monitor_ms));
    }
    if let Some(deadline) = config.progress_deadline_ms.filter(|ms| *ms > 0) {
        text += &format!(" Progress deadline: {}\n", duration::go_text(deadline));
    }
    if config.canary > 0 {
        text += &format!(" Canaries:\t{}\n", config.canary);
    }
    let order = format!("{word} order:");
    text + &format!(
        " Max failure ratio: {}\n {order:<18} {}\n",
        config.max_failure_ratio,
        states::order(config.order())
    )
}

fn container(container: &ContainerSpec) -> String {
    let mut text = format!("ContainerSpec:\n Image:\t\t{}\n", container.image);
    if !container.args.is_empty() {
        text += &format!(" Args:\t\t{} \n", container.args.join(" "));
    }
    if !container.env.is_empty() {
        text += &format!(" Env:\t\t{} \n", container.env.join(" "));
    }
    if !container.workdir.is_empty() {
        text += &format!(" Dir:\t\t{}\n", container.workdir);
    }
    if !container.user.is_empty() {
        text += &format!(" User: {}\n", container.user);
    }
    text += &capabilities(container);
    if !container.hosts.is_empty() {
        text += &format!(" Hosts:\t\t{}\n", container.hosts.join(" "));
    }
    if !container.mounts.is_empty() {
        text += "Mounts:\n";
    }
    for mount in &container.mounts {
        text += &format!(" Target:\t{}\n  Source:\t{}\n", mount.target, mount.source);
        text += &format!("  ReadOnly:\t{}\n  Type:\t\t{}\n", mount.read_only, states::mount(mount.kind()));
    }
    for (word, uses) in [("Configs", &container.configs), ("Secrets", &container.secrets)] {
        if !uses.is_empty() {
            text += &format!("{word}:\n");
        }
        for used in uses {
            text += &format!(" Target:\t{}\n  Source:\t{}\n", used.target, used.name);
        }
    }
    text
}

fn capabilities(container: &ContainerSpec) -> String {
    let mut text = String::new();
    for (word, names) in [("Add", &container.cap_add), ("Drop", &container.cap_drop)] {
        if !names.is_empty() {
            text += &format!(" {word}: {}\n", inspect::capabilities(names).join(", "));
        }
    }
    if text.is_empty() { text } else { format!("Capabilities:\n{text}") }
}

fn log(task: &TaskSpec) -> String {
    let Some(log) = task.log else { return String::new() };
    let (files, size) = (log.max_files, log.max_size_bytes);
    format!(
        "Log Driver:\n Name:\t\tjson-file\n LogOpts:\n  max-file:       {files}\n  max-size:       {size}\n\n"
    )
}

fn resources(task: &TaskSpec) -> String {
    let mut text = String::new();
    for (word, amounts) in [("Reservations", &task.reservations), ("Limits", &task.limits)] {
        if let Some(amounts) = amounts.filter(|amounts| *amounts != Resources::default()) {
            text += &format!(" {word}:\n{}", amount_lines(&amounts));
        }
    }
    if text.is_empty() { text } else { format!("Resources:\n{text}") }
}

fn amount_lines(amounts: &Resources) -> String {
    let mut text = String::new();
    if amounts.nano_cpus > 0 {
        text += &format!("  CPU:\t\t{}\n", sizes::cpus(amounts.nano_cpus));
    }
    if amounts.memory_bytes > 0 {
        text += &format!("  Memory:\t{}\n", sizes::binary(amounts.memory_bytes));
    }
    if amounts.pids > 0 {
        text += &format!("  PIDs:\t\t{}\n", amounts.pids);
    }
    text
}

fn network_names(task: &TaskSpec, networks: &[Network]) -> String {
    let own = match task.network() {
        TaskNetwork::Node => None,
        TaskNetwork::Host => Some("host"),
        TaskNetwork::None => Some("none"),
    };
    let cluster = task.attachments.iter().map(|attachment| {
        let network = networks.iter().find(|network| network.id == attachment.network);
        network.map_or(attachment.network.as_str(), networks::name)
    });
    let names: String = own.into_iter().chain(cluster).map(|name| format!("{name} ")).collect();
    if names.is_empty() { names } else { format!("Networks: {names}\n") }
}

fn ports(ports: &[PublishedPort]) -> String {
    if ports.is_empty() {
        return String::new();
    }
    let port = |port: &PublishedPort| {
        let (protocol, mode) = (states::protocol(port.protocol()), states::publish_mode(port.mode()));
        let (published, target) = (port.published, port.target);
        let mut text = format!(
            " PublishedPort = {published}\n  Protocol = {protocol}\n  TargetPort = {target}\n  PublishMode = {mode}\n"
        );
        if !port.host_ip.is_empty() {
            text += &format!("  HostIP = {}\n", port.host_ip);
        }
        if let Some(traffic) = states::port_traffic(port.traffic()) {
            text += &format!("  Traffic = {traffic}\n");
        }
        text
    };
    format!("Ports:\n{}", ports.iter().map(port).collect::<String>())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures;

    #[test]
    fn a_service_has_dockers_layout() {
        assert_eq!(
            service(&fixtures::web(), &[fixtures::network("front")], fixtures::NOW_MS),
            include_str!("service.golden.txt")
        );
    }

    #[test]
    fn a_port_says_where_and_how_it_is_published() {
        let published = "published=80,target=8080,host-ip=10.0.0.5,traffic=local-first";
        let expected = "\
Ports:
 PublishedPort = 80
  Protocol = tcp
  TargetPort = 8080
  PublishMode = ingress
  HostIP = 10.0.0.5
  Traffic = local-first
";
        assert_eq!(ports(&crate::parse::publish::parse(published).unwrap()), expected);
    }

    #[test]
    fn what_is_not_set_is_left_out() {
        let small = fixtures::service("agent", Mode::Global(Default::default()));
        let expected = "\
ID:\t\tserviceagent0000000000000
Name:\t\tagent
Service Mode:\tGlobal
Placement:
ContainerSpec:
 Image:\t\tnginx:1.27
Endpoint Mode:\tvip
";
        assert_eq!(service(&small, &[], fixtures::NOW_MS), expected);
    }
}
