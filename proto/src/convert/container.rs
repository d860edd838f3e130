//! What runs in a task's container.

use super::{
    bounds::{self, shown},
    capability::capabilities,
    dns_config::dns_config,
    image_reference::check_image_reference,
    kernel, mount, payload, probe,
    time::millis,
};
use crate::{
    model::{ContainerSpec, DnsConfig, ExtraHost, PayloadKind, Problems, Template},
    wire,
};

/// The longest host name in characters that the kernel takes (`HOST_NAME_MAX`).
const HOSTNAME_CHARS_MAX: usize = 64;
/// The longest part between two dots (RFC 1123, 2.1, and RFC 1035, 2.3.4).
const HOSTNAME_LABEL_CHARS_MAX: usize = 63;

impl From<&ContainerSpec> for wire::ContainerSpec {
    fn from(container: &ContainerSpec) -> Self {
        let or_empty = |text: &Option<String>| text.clone().unwrap_or_default();
        wire::ContainerSpec {
            image: container.image.clone(),
            entrypoint: container.entrypoint.clone(),
            args: container.args.clone(),
            env: container.env.clone(),
            labels: container.labels.clone().into_iter().collect(),
            workdir: or_empty(&container.workdir),
            user: or_empty(&container.user),
            groups: container.groups.clone(),
            hostname: or_empty(&container.hostname),
            read_only: container.read_only,
            mounts: container.mounts.iter().map(wire::Mount::from).collect(),
            cap_add: container.cap_add.clone(),
            cap_drop: container.cap_drop.clone(),
            stop_signal: container.stop_signal.map(|signal| signal.to_string()).unwrap_or_default(),
            stop_grace_period_ms: container.stop_grace_period.map(millis),
            hosts: container.hosts.iter().map(ToString::to_string).collect(),
            dns: (container.dns != DnsConfig::default()).then(|| (&container.dns).into()),
            ulimits: container.ulimits.iter().map(ToString::to_string).collect(),
            sysctls: container.sysctls.iter().map(ToString::to_string).collect(),
            oom_score_adj: container.oom_score_adj,
            health: probe::to_wire(&container.health),
            startup: container.startup.as_ref().map(wire::Probe::from),
            readiness: container.readiness.as_ref().map(wire::Probe::from),
            secrets: container.secrets.iter().map(wire::PayloadUse::from).collect(),
            configs: container.configs.iter().map(wire::PayloadUse::from).collect(),
        }
    }
}

/// Reads a container's spec, noting every problem.
pub(super) fn container(wire: wire::ContainerSpec, problems: &mut Problems) -> ContainerSpec {
    problems.take("IMAGE", check_image_reference(&wire.image));
    bounds::arguments("--entrypoint", &wire.entrypoint, problems);
    bounds::arguments("ARG", &wire.args, problems);
    let argument_bytes = wire.entrypoint.iter().chain(&wire.args).map(String::len).sum();
    bounds::total("ARG", argument_bytes, problems);
    check_env(&wire.env, problems);
    let container = ContainerSpec {
        image: wire.image,
        entrypoint: wire.entrypoint,
        args: wire.args,
        env: wire.env,
        labels: bounds::labels("--container-label", wire.labels, problems),
        workdir: workdir(wire.workdir, problems),
        user: user(wire.user, problems),
        groups: groups(wire.groups, problems),
        hostname: hostname(wire.hostname, problems),
        read_only: wire.read_only,
        mounts: mount::mounts(wire.mounts, problems),
        cap_add: capabilities("--cap-add", wire.cap_add, problems),
        cap_drop: capabilities("--cap-drop", wire.cap_drop, problems),
        stop_signal: Some(wire.stop_signal)
            .filter(|signal| !signal.is_empty())
            .and_then(|signal| problems.take("--stop-signal", signal.parse())),
        stop_grace_period: wire
            .stop_grace_period_ms
            .map(|millis| bounds::span("--stop-grace-period", millis, problems)),
        hosts: hosts(wire.hosts, problems),
        dns: dns_config(wire.dns.unwrap_or_default(), problems),
        ulimits: kernel::ulimits(&wire.ulimits, problems),
        sysctls: kernel::sysctls(&wire.sysctls, problems),
        oom_score_adj: kernel::oom_score_adj(wire.oom_score_adj, problems),
        health: probe::health(wire.health, problems),
        startup: probe::own("--startup-probe", wire.startup, problems),
        readiness: probe::own("--readiness-probe", wire.readiness, problems),
        secrets: payload::uses(PayloadKind::Secret, wire.secrets, problems),
        configs: payload::uses(PayloadKind::Config, wire.configs, problems),
    };
    payload::check_targets(&container, problems);
    container
}

fn hosts(hosts: Vec<String>, problems: &mut Problems) -> Vec<ExtraHost> {
    const OPTION: &str = "--host";
    bounds::count(OPTION, hosts.len(), problems);
    hosts.iter().filter_map(|host| problems.take(OPTION, host.parse())).collect()
}

fn check_env(env: &[String], problems: &mut Problems) {
    const OPTION: &str = "--env";
    for variable in env {
        if variable.split_once('=').is_none_or(|(name, _)| name.is_empty()) {
            problems.add(OPTION, format!("`{}` is not a variable: write NAME=VALUE", shown(variable)));
        }
        problems.take(OPTION, Template::sample(variable));
    }
    bounds::arguments(OPTION, env, problems);
    bounds::total(OPTION, env.iter().map(String::len).sum(), problems);
}

fn workdir(path: String, problems: &mut Problems) -> Option<String> {
    const OPTION: &str = "--workdir";
    let path = bounds::text(OPTION, path, problems)?;
    if !path.starts_with('/') {
        problems.add(OPTION, format!("`{}` must be an absolute path, such as /app", shown(&path)));
    }
    Some(path)
}

fn user(user: String, problems: &mut Problems) -> Option<String> {
    const OPTION: &str = "--user";
    let user = bounds::text(OPTION, user, problems)?;
    let (name, group) = user.split_once(':').unwrap_or((&user, "0"));
    if !is_account(name) || !is_account(group) {
        problems.add(
            OPTION,
            format!("`{}` is not valid: write USER or USER:GROUP, by name or number", shown(&user)),
        );
    }
    Some(user)
}

fn groups(groups: Vec<String>, problems: &mut Problems) -> Vec<String> {
    const OPTION: &str = "--group";
    bounds::count(OPTION, groups.len(), problems);
    for group in groups.iter().filter(|group| !is_account(group)) {
        problems.add(OPTION, format!("`{}` is not a group: use its name or number", shown(group)));
    }
    groups
}

/// Whether a text can be a user's or group's name or number: a field of passwd(5), on one line and
/// without a colon.
fn is_account(text: &str) -> bool {
    !text.is_empty()
        && text.len() <= bounds::TEXT_BYTES_MAX
        && text.chars().all(|c| c != ':' && !c.is_whitespace() && !c.is_control())
}

fn hostname(hostname: String, problems: &mut Problems) -> Option<String> {
    if hostname.is_empty() {
        return None;
    }
    // Of a template what can be known before there is a task.
    let sample = problems.take("--hostname", Template::sample(&hostname))?;
    let is_label = |label: &str| {
        (1..=HOSTNAME_LABEL_CHARS_MAX).contains(&label.len())
            && !label.starts_with('-')
            && !label.ends_with('-')
            && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-')
    };
    if sample.len() > HOSTNAME_CHARS_MAX || !sample.split('.').all(is_label) {
        problems.add(
            "--hostname",
            format!(
                "`{}` is not a host name (RFC 1123): use letters, digits and `-`, with `.` between parts, at most {HOSTNAME_CHARS_MAX} characters",
                shown(&hostname)
            ),
        );
    }
    Some(hostname)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn problems_of(wire: wire::ContainerSpec) -> String {
        let mut problems = Problems::default();
        container(wire::ContainerSpec { image: "nginx".into(), ..wire }, &mut problems);
        problems.to_string()
    }

    #[test]
    fn variables_without_a_name_are_problems() {
        let env = ["A=1", "B=", "NAME", "=x", "N\0=x"].map(String::from).to_vec();
        assert_eq!(
            problems_of(wire::ContainerSpec { env, ..Default::default() }),
            "--env: `NAME` is not a variable: write NAME=VALUE\n\
             --env: `=x` is not a variable: write NAME=VALUE\n\
             --env: `N\\0=x` contains a NUL character, which no process can be given"
        );
    }

    #[test]
    fn an_environment_beyond_500_kib_is_a_problem() {
        let env = (0..5).map(|n| format!("V{n}={}", "x".repeat(102_400))).collect();
        assert_eq!(
            problems_of(wire::ContainerSpec { env, ..Default::default() }),
            "--env: together 512015 bytes: must be at most 500 KiB"
        );
    }

    #[test]
    fn a_host_name_may_be_different_for_each_task() {
        let hostname = |text: &str| wire::ContainerSpec { hostname: text.into(), ..Default::default() };
        assert_eq!(problems_of(hostname("{{.Node.Hostname}}-{{.Task.Slot}}")), "");
        assert!(problems_of(hostname("{{.Node.Hostname}}_")).contains("is not a host name"));
    }

    #[test]
    fn each_malformed_text_is_named_with_its_option() {
        let text = String::from;
        for (wire, begins) in [
            (
                wire::ContainerSpec { workdir: text("app"), ..Default::default() },
                "--workdir: `app` must be an absolute",
            ),
            (
                wire::ContainerSpec { user: text("a:b:c"), ..Default::default() },
                "--user: `a:b:c` is not valid",
            ),
            (wire::ContainerSpec { user: text(":0"), ..Default::default() }, "--user: `:0` is not valid"),
            (
                wire::ContainerSpec { groups: vec![text("a b")], ..Default::default() },
                "--group: `a b` is not a group",
            ),
            (
                wire::ContainerSpec { hostname: text("a_b"), ..Default::default() },
                "--hostname: `a_b` is not a host name",
            ),
            (wire::ContainerSpec { hosts: vec![text("db")], ..Default::default() }, "--host: `db` is not a"),
            (
                wire::ContainerSpec { hostname: text("{{.Node.Name}}"), ..Default::default() },
                "--hostname: `.Node.Name` is not known",
            ),
            (
                wire::ContainerSpec { env: vec![text("A={{.Task.Slot")], ..Default::default() },
                "--env: `A={{.Task.Slot` has no }}",
            ),
            (
                wire::ContainerSpec { hostname: text("a..b"), ..Default::default() },
                "--hostname: `a..b` is not a host name",
            ),
            (
                wire::ContainerSpec { hostname: "a.".repeat(32) + "a", ..Default::default() },
                "--hostname: `a.a.",
            ),
            (
                wire::ContainerSpec { stop_signal: text("STOPP"), ..Default::default() },
                "--stop-signal: `STOPP` is not",
            ),
            (
                wire::ContainerSpec { args: vec![text("a\0")], ..Default::default() },
                "ARG: `a\\0` contains a NUL",
            ),
            (
                wire::ContainerSpec { labels: [(text(""), text("x"))].into(), ..Default::default() },
                "--container-label: a",
            ),
        ] {
            let problems = problems_of(wire);
            assert!(problems.starts_with(begins), "{begins}: {problems}");
            assert_eq!(problems.lines().count(), 1, "{problems}");
        }
    }
}
