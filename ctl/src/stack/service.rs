//! A service of a Compose file as options of `service create`.

use super::{
    networks::{Connected, Networks},
    options::Options,
    spec::{NAMESPACE, scoped},
};
use crate::parse::{csv, words};
use compose::{
    Report,
    model::{Healthcheck, Mount, MountKind, Port, Project, RestartPolicy, Service, UpdateConfig},
};
use proto::wire::{
    self,
    probe::{Exec, Kind},
};

/// The label that has the image as the file names it.
const IMAGE: &str = "com.docker.stack.image";

/// Makes the spec of one service, or notes what is wrong with it.
pub fn service_spec(
    service: &Service,
    stack: &str,
    project: &Project,
    networks: &Networks,
    report: &Report,
) -> Option<wire::ServiceSpec> {
    let Some(image) = &service.image else {
        let message = "no image is named: add image: NAME (the cluster builds none)";
        report.error(&service.key.place, &service.key.path, message);
        return None;
    };
    let mut options = Options::of(&service.key);
    options.set_own("--name", scoped(stack, &service.key));
    deploy(service, &mut options);
    container(service, &mut options);
    options.set_own("--label", format!("{IMAGE}={}", image.value));
    options.set_own("--label", format!("{NAMESPACE}={stack}"));
    options.set_own("--container-label", format!("{NAMESPACE}={stack}"));
    for mount in &service.mounts {
        options.set("--mount", mount_text(mount, stack, project), &mount.target);
    }
    for port in &service.ports {
        options.set("--publish", port_text(port), &port.at);
    }
    for Connected { at, option } in networks.of(service) {
        options.set("--network", option, &at);
    }
    logging(service, &mut options, report);
    not_yet(service, report);
    let exec = service.healthcheck.as_ref().and_then(|check| health(check, &mut options));
    let mut spec = options.create(image, &service.command, report)?;
    if let Some(args) = exec {
        // A program without a shell is nothing that an option can say.
        let container = spec.task.get_or_insert_default().container.get_or_insert_default();
        container.health.get_or_insert_default().kind = Some(Kind::Exec(Exec { args }));
    }
    Some(spec)
}

/// How the service is checked. Answers with the program and its arguments, if it is one without a shell.
fn health(check: &Healthcheck, options: &mut Options) -> Option<Vec<String>> {
    let kind = check.test.first().map(|word| word.value.as_str());
    if kind == Some("NONE") || check.disable.as_ref().is_some_and(|disable| disable.value) {
        options.switch("--no-healthcheck");
        return None;
    }
    options.set_text("--health-interval", check.interval.as_ref());
    options.set_text("--health-timeout", check.timeout.as_ref());
    options.set_number("--health-retries", check.retries.as_ref());
    options.set_text("--health-start-period", check.start_period.as_ref());
    options.set_text("--health-start-interval", check.start_interval.as_ref());
    let (first, rest) = check.test.split_first()?;
    let words = || rest.iter().map(|word| word.value.as_str());
    if kind == Some("CMD-SHELL") {
        options.set("--health-cmd", words().collect::<Vec<_>>().join(" "), first);
        return None;
    }
    Some(words().map(str::to_owned).collect())
}

fn container(service: &Service, options: &mut Options) {
    if let Some(first) = service.entrypoint.first() {
        let all = words::join(service.entrypoint.iter().map(|word| word.value.as_str()));
        options.set("--entrypoint", all, first);
    }
    // In an order of their own, so that moving a line in the file replaces no tasks.
    let mut environment: Vec<_> = service.environment.iter().collect();
    environment.sort_by(|one, other| one.0.cmp(&other.0));
    for (name, value) in environment {
        options.set("--env", format!("{name}={}", value.value), value);
    }
    for (key, value) in &service.labels {
        options.set("--container-label", format!("{key}={}", value.value), value);
    }
    options.set_text("--hostname", service.hostname.as_ref());
    options.set_text("--user", service.user.as_ref());
    options.set_text("--workdir", service.working_dir.as_ref());
    options.set_each("--group", &service.group_add);
    if let Some(read_only) = service.read_only.as_ref().filter(|read_only| read_only.value) {
        options.set("--read-only", "true", read_only);
    }
    options.set_each("--cap-add", &service.cap_add);
    options.set_each("--cap-drop", &service.cap_drop);
    options.set_text("--stop-signal", service.stop_signal.as_ref());
    options.set_text("--stop-grace-period", service.stop_grace_period.as_ref());
    for (name, address) in &service.extra_hosts {
        options.set("--host", format!("{name}:{}", address.value), address);
    }
    options.set_each("--dns", &service.dns);
    options.set_each("--dns-search", &service.dns_search);
    options.set_each("--dns-option", &service.dns_opt);
    for limit in &service.ulimits {
        options.set("--ulimit", format!("{}={}:{}", limit.name.value, limit.soft, limit.hard), &limit.name);
    }
    for (name, value) in &service.sysctls {
        options.set("--sysctl", format!("{name}={}", value.value), value);
    }
    options.set_number("--oom-score-adj", service.oom_score_adj.as_ref());
}

fn deploy(service: &Service, options: &mut Options) {
    let deploy = &service.deploy;
    options.set_text("--mode", deploy.mode.as_ref());
    options.set_number("--replicas", deploy.replicas.as_ref());
    for (key, value) in &deploy.labels {
        options.set("--label", format!("{key}={}", value.value), value);
    }
    options.set_text("--endpoint-mode", deploy.endpoint_mode.as_ref());
    options.set_each("--constraint", &deploy.placement.constraints);
    options.set_each("--placement-pref", &deploy.placement.preferences);
    options.set_number("--replicas-max-per-node", deploy.placement.max_replicas_per_node.as_ref());
    options.set_text("--limit-cpu", deploy.limits.cpus.as_ref());
    options.set_text("--limit-memory", deploy.limits.memory.as_ref());
    // Docker has -1 for no limit.
    options.set_number("--limit-pids", deploy.limits.pids.as_ref().filter(|pids| pids.value != -1));
    options.set_text("--reserve-cpu", deploy.reservations.cpus.as_ref());
    options.set_text("--reserve-memory", deploy.reservations.memory.as_ref());
    match (&deploy.restart_policy, &service.restart) {
        (Some(policy), _) => restart_policy(policy, options),
        (None, Some(word)) => {
            let (condition, attempts) = match word.split_once(':').unwrap_or((word, "")) {
                ("no", "") => ("none", ""),
                ("always" | "unless-stopped", "") => ("any", ""),
                ("on-failure", attempts) => ("on-failure", attempts),
                _ => (word.as_str(), ""),
            };
            options.set("--restart-condition", condition, word);
            if !attempts.is_empty() {
                options.set("--restart-max-attempts", attempts, word);
            }
        }
        (None, None) => {}
    }
    for (family, config) in [("update", &deploy.update_config), ("rollback", &deploy.rollback_config)] {
        if let Some(config) = config {
            rollout(family, config, options);
        }
    }
}

fn restart_policy(policy: &RestartPolicy, options: &mut Options) {
    options.set_text("--restart-condition", policy.condition.as_ref());
    options.set_text("--restart-delay", policy.delay.as_ref());
    options.set_number("--restart-max-attempts", policy.max_attempts.as_ref());
    options.set_text("--restart-window", policy.window.as_ref());
}

fn rollout(family: &str, config: &UpdateConfig, options: &mut Options) {
    options.set_number(&format!("--{family}-parallelism"), config.parallelism.as_ref());
    options.set_text(&format!("--{family}-delay"), config.delay.as_ref());
    options.set_text(&format!("--{family}-failure-action"), config.failure_action.as_ref());
    options.set_text(&format!("--{family}-monitor"), config.monitor.as_ref());
    options.set_number(&format!("--{family}-max-failure-ratio"), config.max_failure_ratio.as_ref());
    options.set_text(&format!("--{family}-order"), config.order.as_ref());
}

fn mount_text(mount: &Mount, stack: &str, project: &Project) -> String {
    let kind = match mount.kind.value {
        MountKind::Bind => "bind",
        MountKind::Volume => "volume",
        MountKind::Tmpfs => "tmpfs",
    };
    let mut fields = vec![format!("type={kind}")];
    if let Some(source) = &mount.source {
        let volume = project.volumes.get(&source.value).filter(|_| mount.kind.value == MountKind::Volume);
        let source = match volume {
            Some(volume) => super::spec::name_of(stack, &volume.key, volume.name.as_ref(), volume.external),
            None => source.value.clone(),
        };
        fields.push(format!("source={source}"));
    }
    fields.push(format!("target={}", mount.target.value));
    if mount.read_only {
        fields.push("readonly".into());
    }
    fields.extend(mount.tmpfs_size.as_ref().map(|size| format!("tmpfs-size={}", size.value)));
    fields.extend(mount.tmpfs_mode.as_ref().map(|mode| format!("tmpfs-mode={:o}", mode.value)));
    fields.iter().map(|field| csv::field(field)).collect::<Vec<_>>().join(",")
}

fn port_text(port: &Port) -> String {
    let mut fields = vec![format!("target={}", port.target.value)];
    let given = [
        ("published", &port.published),
        ("protocol", &port.protocol),
        ("mode", &port.mode),
        ("host-ip", &port.host_ip),
    ];
    for (key, value) in given {
        fields.extend(
            value.as_ref().filter(|value| !value.is_empty()).map(|value| format!("{key}={}", value.value)),
        );
    }
    fields.iter().map(|field| csv::field(field)).collect::<Vec<_>>().join(",")
}

/// Output is always kept in files on the node, which `json-file` and `local` are too.
fn logging(service: &Service, options: &mut Options, report: &Report) {
    let Some(logging) = &service.logging else { return };
    if let Some(driver) = &logging.driver
        && !matches!(driver.as_str(), "json-file" | "local")
    {
        let message = format!(
            "not honoured: driver {}: output is kept on the task's node, see `shoal service logs`",
            driver.value
        );
        report.warn(&driver.place, &driver.path, message);
        return;
    }
    for (name, value) in &logging.options {
        match name.as_str() {
            "max-size" | "max-file" => options.set("--log-opt", format!("{name}={}", value.value), value),
            _ => report.warn(&value.place, &value.path, format!("not honoured: log option {name}")),
        }
    }
}

/// What services can't do yet.
fn not_yet(service: &Service, report: &Report) {
    if let Some(init) = service.init.as_ref().filter(|init| init.value) {
        report.warn(&init.place, &init.path, "not honoured yet: the command itself is the first process");
    }
    for dependency in service.depends_on.iter().filter(|dependency| dependency.restart) {
        let name = &dependency.service;
        let message = "restart is not honoured: a change of it leaves this service alone";
        report.warn(&name.place, &name.path, message);
    }
    for secret in &service.secrets {
        report.warn(&secret.source.place, &secret.source.path, "not honoured yet: containers see no secrets");
    }
    for config in &service.configs {
        report.warn(&config.source.place, &config.source.path, "not honoured yet: containers see no configs");
    }
}
