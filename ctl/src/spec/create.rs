//! The spec of a new service, from the options of `service create`.

use super::{add_refused, attachments, each, given, lists, payloads, task};
use crate::{
    args::service::CreateArgs,
    parse::{
        choice::{self, ModeWord},
        env, mount, publish,
    },
};
use proto::{
    convert::check_image_reference,
    model::{Constraint, Name, PayloadKind, Preference, Problems, ServiceSpec},
    wire::{self, service_spec::Mode},
};
use std::io;

/// What a command reads beside its options.
pub struct Surroundings<'a> {
    /// Reads a file of environment variables.
    pub read_file: &'a dyn Fn(&str) -> io::Result<String>,
    /// Looks a variable up in the caller's environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Makes the spec, or says everything that is wrong. Without `--name` its name is empty.
pub fn create(args: &CreateArgs, surroundings: &Surroundings) -> Result<wire::ServiceSpec, Problems> {
    let mut problems = Problems::default();
    let mut spec = wire::ServiceSpec { mode: mode(args, &mut problems), ..Default::default() };
    task::apply(&args.task, &mut spec, &mut problems);
    if let Some(name) = given(&mut problems, "--name", &args.name, str::parse::<Name>) {
        spec.name = name.to_string();
    }
    lists::put_labels(&mut spec.labels, "--label", &args.labels, &mut problems);
    let ports = each(&mut problems, "--publish", &args.publish, publish::parse);
    spec.ports = ports.into_iter().flatten().collect();

    let task = spec.task.get_or_insert_default();
    let constraints = each(&mut problems, "--constraint", &args.constraints, str::parse::<Constraint>);
    task.constraints = constraints.iter().map(ToString::to_string).collect();
    let preferences = each(&mut problems, "--placement-pref", &args.preferences, str::parse::<Preference>);
    task.preferences = preferences.iter().map(ToString::to_string).collect();
    attachments::connect(&args.networks, task, &mut problems);

    let container = task.container.get_or_insert_default();
    let (image, command) = args.image_and_command.split_first().expect("clap requires an image");
    problems.take("IMAGE", check_image_reference(image));
    container.image.clone_from(image);
    container.args = command.to_vec();
    container.groups.clone_from(&args.groups);
    lists::edit_hosts(&mut container.hosts, &[], ("--host", &args.hosts), &mut problems);
    let (servers, searches) = (args.dns.clone(), args.dns_searches.clone());
    let dns = wire::DnsConfig { servers, searches, options: args.dns_options.clone() };
    container.dns = Some(dns).filter(|dns| *dns != wire::DnsConfig::default());
    lists::put_ulimits(&mut container.ulimits, ("--ulimit", &args.ulimits), &mut problems);
    lists::put_sysctls(&mut container.sysctls, ("--sysctl", &args.sysctls), &mut problems);
    lists::put_labels(&mut container.labels, "--container-label", &args.container_labels, &mut problems);
    lists::put_named(&mut container.env, variables(args, surroundings, &mut problems));
    container.mounts = each(&mut problems, "--mount", &args.mounts, mount::parse);
    for (kind, uses, option, texts) in [
        (PayloadKind::Secret, &mut container.secrets, "--secret", &args.secrets),
        (PayloadKind::Config, &mut container.configs, "--config", &args.configs),
    ] {
        payloads::edit_uses(kind, uses, &[], (option, texts), &mut problems);
    }
    add_refused(&mut problems, || {
        let name = if spec.name.is_empty() { "unnamed".to_owned() } else { spec.name.clone() };
        let mut spec = wire::ServiceSpec { name, ..spec.clone() };
        // Names of networks, secrets and configs are checked already, and only the managers know what they stand for.
        let task = spec.task.get_or_insert_default();
        task.attachments.clear();
        let container = task.container.get_or_insert_default();
        (container.secrets, container.configs) = Default::default();
        ServiceSpec::try_from(spec)
    });
    problems.finish(spec)
}

fn mode(args: &CreateArgs, problems: &mut Problems) -> Option<Mode> {
    problems.take("--mode", choice::mode(&args.mode)).map(|word| match word {
        ModeWord::Replicated => Mode::Replicated(wire::service_spec::Replicated { replicas: 1 }),
        ModeWord::Global => Mode::Global(wire::service_spec::Global {}),
        ModeWord::ReplicatedJob => {
            Mode::ReplicatedJob(wire::service_spec::ReplicatedJob { total: 1, max_concurrent: 0 })
        }
        ModeWord::GlobalJob => Mode::GlobalJob(wire::service_spec::GlobalJob {}),
    })
}

/// Those of the files first, so that an option overrides what a file says.
fn variables(args: &CreateArgs, surroundings: &Surroundings, problems: &mut Problems) -> Vec<String> {
    let mut variables = Vec::new();
    for path in &args.env_files {
        let read = (surroundings.read_file)(path);
        let text = read.map_err(|why| env::EnvError::Read { path: path.into(), why });
        if let Some(text) = problems.take("--env-file", text) {
            variables.extend(problems.take_all("--env-file", env::file(path, &text, surroundings.variable)));
        }
    }
    let given = each(problems, "--env", &args.env, |text| env::variable(text, surroundings.variable));
    variables.extend(given.into_iter().flatten());
    variables
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::args::{Cli, Command, service::ServiceCommand};
    use clap::Parser;

    fn created(line: &str) -> Result<wire::ServiceSpec, Problems> {
        let words = crate::parse::words::split(line).unwrap();
        let full = ["shoal", "service", "create"].map(String::from).into_iter().chain(words);
        let Command::Service(ServiceCommand::Create(args)) = Cli::try_parse_from(full).unwrap().command
        else {
            panic!("not a service create");
        };
        let read_file = |path: &str| match path {
            "app.env" => Ok("A=file\nB=file\n".to_owned()),
            _ => Err(io::Error::from(io::ErrorKind::NotFound)),
        };
        let variable = |name: &str| (name == "HOME").then(|| "/root".to_owned());
        create(&args, &Surroundings { read_file: &read_file, variable: &variable })
    }

    #[test]
    fn what_follows_the_image_is_the_command() {
        let spec = created("--name web -q nginx:1.27 nginx -g 'daemon off;' --replicas 3").unwrap();
        let container = spec.task.unwrap().container.unwrap();
        assert_eq!(container.image, "nginx:1.27");
        assert_eq!(container.args, ["nginx", "-g", "daemon off;", "--replicas", "3"]);
        assert_eq!(spec.mode, Some(Mode::Replicated(wire::service_spec::Replicated { replicas: 1 })));
    }

    #[test]
    fn a_variable_given_as_option_overrides_the_file() {
        let spec = created("--env-file app.env -e A=option -e HOME -e UNSET nginx").unwrap();
        assert_eq!(spec.task.unwrap().container.unwrap().env, ["A=option", "B=file", "HOME=/root"]);
    }

    #[test]
    fn what_is_not_given_is_left_to_the_managers() {
        let spec = created("nginx").unwrap();
        let task = spec.task.unwrap();
        assert_eq!((spec.update, spec.rollback, task.restart, task.log), (None, None, None, None));
    }

    #[test]
    fn every_problem_is_said_at_once() {
        let problems = created(
            "--name=-web- --mode globl --replicas x --limit-memory 64x --update-delay 5 --mount src=v \
             --publish 80/dccp --constraint node.role=manager --restart-condition always --env =x \
             --env-file gone.env --network host --network front --endpoint-mode rr \
             --stop-signal NOPE --log-opt a=b --label =x Nginx",
        )
        .unwrap_err();
        let expected = "\
--mode: `globl` is not one of the choices: use replicated, global, replicated-job, global-job
--replicas: `x` is not a count: write a whole number from 0 to 4294967295
--endpoint-mode: `rr` is not one of the choices: use vip, dnsrr
--update-delay: `5` is not a duration: write numbers with units, such as 1m30s, 1.5h or 500ms
--stop-signal: `NOPE` is not a signal: use a name such as SIGTERM or QUIT, or a number from 1 to 64
--limit-memory: `64x` is not a size: write a number with b, k, m, g or t, such as 64m or 1.5g
--restart-condition: `always` is not one of the choices: use none, on-failure, any
--log-opt: there is no log option `a=b`: use max-size=SIZE, such as max-size=10m, or max-file=COUNT
--name: `-web-` is not a valid name: use letters, digits, `-` and `_`, beginning and ending with a letter or digit, at most 63 characters
--label: `=x` has no key: write KEY=VALUE, or KEY alone for an empty value
--publish: protocol `dccp` can't be published: use tcp, udp or sctp
--constraint: constraint `node.role=manager` has no operator: write KEY==VALUE, such as node.labels.disk==ssd, or another of ==, !=, in, notin, =~, < and >
--network: bridge, host and none stand alone: give one of them, or networks of the cluster
IMAGE: image name `Nginx` is not valid: use lower-case letters, digits and single `.`, `_`, `-` between them, with `/` between parts
--env-file: cannot read gone.env: entity not found; give a file of NAME=VALUE lines
--env: `=x` has no name: write NAME=VALUE, or NAME to pass on its value from here
--mount: `src=v` has no target: add target=/PATH";
        assert_eq!(problems.to_string(), expected);
    }

    #[test]
    fn what_the_managers_would_refuse_is_said_with_the_rest() {
        let problems = created("--replicas x --workdir app nginx").unwrap_err();
        let fields: Vec<_> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["--replicas", "--workdir"]);
        let problems = created("--replicas x --network front --network back nginx").unwrap_err();
        assert_eq!(problems.0.len(), 1, "names of networks are no problem: {problems}");
        // What can be read is theirs to judge.
        assert!(created("--publish 8080:80 nginx").is_ok());
    }

    #[test]
    fn networks_are_sent_by_name() {
        let spec = created("--network name=front,alias=www --endpoint-mode dnsrr nginx").unwrap();
        assert_eq!(spec.endpoint_mode(), wire::EndpointMode::Dnsrr);
        let front = wire::NetworkAttachment { network: "front".into(), aliases: vec!["www".into()] };
        assert_eq!(spec.task.unwrap().attachments, [front]);
    }

    #[test]
    fn secrets_and_configs_are_sent_by_name() {
        let spec = created("--secret key --config source=site,target=/etc/site,mode=0440 nginx").unwrap();
        let container = spec.task.unwrap().container.unwrap();
        let key = wire::PayloadUse { payload: "key".into(), ..Default::default() };
        let (target, mode) = ("/etc/site".to_owned(), Some(0o440));
        let site = wire::PayloadUse { payload: "site".into(), target, mode, ..Default::default() };
        assert_eq!((container.secrets, container.configs), (vec![key], vec![site]));
        let problems = created("--replicas x --secret key --config src= nginx").unwrap_err();
        let fields: Vec<_> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["--replicas", "--config"]);
    }

    #[test]
    fn a_job_has_a_number_of_tasks_some_of_them_at_a_time_and_bounds() {
        let options = "--mode replicated-job --replicas 9 --max-concurrent 2 --job-deadline 1m --job-ttl 0s";
        let spec = created(&format!("{options} --job-backoff-limit 0 nginx")).unwrap();
        let job = wire::service_spec::ReplicatedJob { total: 9, max_concurrent: 2 };
        assert_eq!(spec.mode, Some(Mode::ReplicatedJob(job)));
        let bounds = wire::JobConfig { deadline_ms: Some(60_000), backoff_limit: Some(0), ttl_ms: Some(0) };
        assert_eq!(spec.job, Some(bounds));
        for wrong in ["--max-concurrent 2 nginx", "--mode global-job --replicas 2 nginx"] {
            assert_eq!(created(wrong).unwrap_err().0.len(), 1, "{wrong}");
        }
    }

    #[test]
    fn a_global_service_takes_no_number() {
        let problems = created("--mode global --replicas 3 nginx").unwrap_err();
        assert_eq!(problems.0[0].field, "--replicas");
    }
}
