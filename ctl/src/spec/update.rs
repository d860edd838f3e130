//! Edits of a service's spec, from the options of `service update`.

use super::{
    attachments::{self, NetworkIds},
    each, given, lists, payloads, task,
};
use crate::{
    args::service::UpdateArgs,
    parse::{
        env, mount,
        publish::{self, TargetPort},
        words,
    },
};
use proto::{
    convert::check_image_reference,
    model::{Constraint, PayloadKind, Preference, Problems},
    wire,
};

/// Says what is wrong with the options themselves, before any spec is known.
pub fn check(args: &UpdateArgs, variable: &dyn Fn(&str) -> Option<String>) -> Result<(), Problems> {
    edit(args, &NetworkIds::new(), &mut wire::ServiceSpec::default(), variable)
}

/// Changes what was given. Removals come first, so that one command can replace a value. `networks`
/// tells the ids of the networks that are named.
pub fn edit(
    args: &UpdateArgs,
    networks: &NetworkIds,
    spec: &mut wire::ServiceSpec,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<(), Problems> {
    let mut problems = Problems::default();
    task::apply(&args.task, spec, &mut problems);
    remove_keys(&mut spec.labels, &args.label_rm);
    lists::put_labels(&mut spec.labels, "--label-add", &args.label_add, &mut problems);
    ports(args, &mut spec.ports, &mut problems);
    let task = spec.task.get_or_insert_default();
    if args.force {
        task.force_update += 1;
    }
    placement(args, task, &mut problems);
    attachments::edit(args, networks, task, &mut problems);
    container(args, task.container.get_or_insert_default(), variable, &mut problems);
    problems.finish(())
}

fn remove_keys(labels: &mut std::collections::HashMap<String, String>, keys: &[String]) {
    labels.retain(|key, _| !keys.contains(key));
}

fn ports(args: &UpdateArgs, ports: &mut Vec<wire::PublishedPort>, problems: &mut Problems) {
    let removed = each(problems, "--publish-rm", &args.publish_rm, TargetPort::parse);
    ports.retain(|port| !removed.iter().any(|target| target.matches(port)));
    let added = each(problems, "--publish-add", &args.publish_add, publish::parse);
    for port in added.into_iter().flatten() {
        lists::put(ports, port, |old, new| (old.target, old.protocol) == (new.target, new.protocol));
    }
}

fn placement(args: &UpdateArgs, task: &mut wire::TaskSpec, problems: &mut Problems) {
    // Read before they are compared, so that spaces make no difference.
    let removed = each(problems, "--constraint-rm", &args.constraint_rm, str::parse::<Constraint>);
    task.constraints.retain(|text| !text.parse().is_ok_and(|constraint| removed.contains(&constraint)));
    for constraint in each(problems, "--constraint-add", &args.constraint_add, str::parse::<Constraint>) {
        lists::put(&mut task.constraints, constraint.to_string(), PartialEq::eq);
    }
    let removed = each(problems, "--placement-pref-rm", &args.placement_pref_rm, str::parse::<Preference>);
    task.preferences.retain(|text| !text.parse().is_ok_and(|preference| removed.contains(&preference)));
    for preference in
        each(problems, "--placement-pref-add", &args.placement_pref_add, str::parse::<Preference>)
    {
        lists::put(&mut task.preferences, preference.to_string(), PartialEq::eq);
    }
}

fn container(
    args: &UpdateArgs,
    container: &mut wire::ContainerSpec,
    variable: &dyn Fn(&str) -> Option<String>,
    problems: &mut Problems,
) {
    if let Some(image) = &args.image {
        problems.take("--image", check_image_reference(image));
        container.image.clone_from(image);
    }
    if let Some(words) = given(problems, "--args", &args.args, words::split) {
        container.args = words;
    }
    lists::remove_named(&mut container.env, &args.env_rm);
    let added = each(problems, "--env-add", &args.env_add, |text| env::variable(text, variable));
    lists::put_named(&mut container.env, added.into_iter().flatten());
    remove_keys(&mut container.labels, &args.container_label_rm);
    lists::put_labels(&mut container.labels, "--container-label-add", &args.container_label_add, problems);
    lists::edit_texts(&mut container.groups, &args.group_rm, &args.group_add);
    lists::edit_hosts(&mut container.hosts, &args.host_rm, ("--host-add", &args.host_add), problems);
    let mut dns = container.dns.take().unwrap_or_default();
    lists::edit_texts(&mut dns.servers, &args.dns_rm, &args.dns_add);
    lists::edit_texts(&mut dns.searches, &args.dns_search_rm, &args.dns_search_add);
    lists::edit_texts(&mut dns.options, &args.dns_option_rm, &args.dns_option_add);
    container.dns = Some(dns).filter(|dns| *dns != wire::DnsConfig::default());
    lists::remove_named(&mut container.ulimits, &args.ulimit_rm);
    lists::put_ulimits(&mut container.ulimits, ("--ulimit-add", &args.ulimit_add), problems);
    lists::remove_named(&mut container.sysctls, &args.sysctl_rm);
    lists::put_sysctls(&mut container.sysctls, ("--sysctl-add", &args.sysctl_add), problems);
    for (kind, uses, removed, added) in [
        (PayloadKind::Secret, &mut container.secrets, &args.secret_rm, ("--secret-add", &args.secret_add)),
        (PayloadKind::Config, &mut container.configs, &args.config_rm, ("--config-add", &args.config_add)),
    ] {
        payloads::edit_uses(kind, uses, removed, (added.0, added.1), problems);
    }
    container.mounts.retain(|mount| !args.mount_rm.contains(&mount.target));
    for mount in each(problems, "--mount-add", &args.mount_add, mount::parse) {
        lists::put(&mut container.mounts, mount, |old, new| old.target == new.target);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, service::ServiceCommand};
    use clap::Parser;

    fn args(line: &str) -> UpdateArgs {
        let words = crate::parse::words::split(line).unwrap();
        let full = ["shoal", "service", "update", "web"].map(String::from).into_iter().chain(words);
        match Cli::try_parse_from(full).unwrap().command {
            Command::Service(ServiceCommand::Update(args)) => *args,
            other => panic!("not a service update: {other:?}"),
        }
    }

    fn edited(line: &str, mut spec: wire::ServiceSpec) -> wire::ServiceSpec {
        edit(&args(line), &NetworkIds::new(), &mut spec, &|_| None).unwrap();
        spec
    }

    fn web() -> wire::ServiceSpec {
        wire::ServiceSpec {
            name: "web".into(),
            labels: [("team".to_owned(), "a".to_owned())].into(),
            mode: Some(wire::service_spec::Mode::Global(wire::service_spec::Global {})),
            task: Some(wire::TaskSpec {
                container: Some(wire::ContainerSpec {
                    image: "nginx:1".into(),
                    env: vec!["A=1".into(), "B=2".into()],
                    mounts: vec![mount::parse("src=data,dst=/data").unwrap()],
                    read_only: true,
                    ..Default::default()
                }),
                constraints: vec!["node.role==worker".into()],
                force_update: 4,
                ..Default::default()
            }),
            ports: publish::parse("8080:80").unwrap(),
            ..Default::default()
        }
    }

    #[test]
    fn an_update_without_options_changes_nothing() {
        assert_eq!(edited("", web()), web());
    }

    #[test]
    fn values_are_added_replaced_and_removed() {
        let spec = edited(
            "--env-rm A --env-add B=3 --env-add C=4 --label-rm team --label-add tier=front \
             --mount-rm /data --mount-add type=tmpfs,dst=/tmp --constraint-rm 'node.role == worker' \
             --constraint-add node.role==manager --publish-add published=9090,target=80,mode=host \
             --image nginx:2 --args '-c 5' --read-only=false --force --network-add host --endpoint-mode dnsrr",
            web(),
        );
        let task = spec.task.unwrap();
        let container = task.container.clone().unwrap();
        assert_eq!(container.env, ["B=3", "C=4"]);
        assert_eq!(spec.labels, [("tier".to_owned(), "front".to_owned())].into());
        assert_eq!(container.mounts.iter().map(|mount| mount.target.as_str()).collect::<Vec<_>>(), ["/tmp"]);
        assert_eq!(task.constraints, ["node.role==manager"]);
        assert_eq!(spec.ports.iter().map(|port| port.published).collect::<Vec<_>>(), [9090]);
        assert_eq!(
            (container.image.as_str(), container.args.len(), container.read_only),
            ("nginx:2", 2, false)
        );
        assert_eq!((task.force_update, task.network()), (5, wire::TaskNetwork::Host));
        assert_eq!(spec.endpoint_mode, i32::from(wire::EndpointMode::Dnsrr));
    }

    #[test]
    fn a_port_is_removed_by_its_target() {
        assert!(edited("--publish-rm 80", web()).ports.is_empty());
        assert_eq!(edited("--publish-rm 80/udp", web()).ports.len(), 1);
    }

    #[test]
    fn wrong_values_are_found_before_the_service_is_known() {
        let problems = check(&args("--limit-cpu half --env-add =x --replicas many"), &|_| None).unwrap_err();
        assert_eq!(problems.0.len(), 3);
        assert!(check(&args("--replicas 3"), &|_| None).is_ok());
        let problems = edit(&args("--replicas 3"), &NetworkIds::new(), &mut web(), &|_| None).unwrap_err();
        assert!(problems.to_string().starts_with("--replicas: a global service"), "{problems}");
    }
}
