use super::stack_spec;
use crate::{
    args::{Cli, Command, network::NetworkCommand, service::ServiceCommand},
    parse::words,
    spec::{self, Surroundings},
};
use clap::Parser;
use compose::{Files, Report, Source};
use proto::wire;
use std::{collections::BTreeMap, io, path::Path};

/// What a test makes up, and the fixtures of the reader.
struct Given(BTreeMap<String, String>);

impl Files for Given {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        if let Some(text) = self.0.get(path) {
            return Ok(text.clone().into_bytes());
        }
        let Some(name) = path.strip_prefix("/project/") else { return Err(io::ErrorKind::NotFound.into()) };
        std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("compose/tests/fixtures").join(name))
    }
}

/// The stack `shop` of a file, or its errors.
fn shop_of(name: &str, given: &[(&str, &str)]) -> (wire::StackSpec, Vec<String>, Vec<String>) {
    let given = given.iter().map(|(name, text)| (format!("/project/{name}"), text.to_string()));
    let files = Given(given.collect());
    let report = Report::default();
    let paths = [format!("/project/{name}")];
    let variable = |name: &str| (name == "GITLAB_HOME").then(|| "/srv".to_owned());
    let source =
        Source { paths: &paths, directory: None, env_files: &[], files: &files, variable: &variable };
    let loaded = compose::read(&source, &["*".to_owned()], &report).expect("there is a tree");
    let spec = stack_spec(&loaded.project, "shop", &report);
    let texts = |findings: Vec<compose::Finding>| {
        findings.iter().map(|finding| finding.to_string().replace("/project/", "")).collect()
    };
    (spec, texts(report.errors()), texts(report.warnings()))
}

fn shop(text: &str) -> wire::StackSpec {
    let (spec, errors, _) = shop_of("f.yml", &[("f.yml", text)]);
    assert_eq!(errors, [""; 0]);
    spec
}

fn created(line: &str) -> wire::ServiceSpec {
    let words = words::split(line).unwrap();
    let full = ["shoal", "service", "create"].map(String::from).into_iter().chain(words);
    let Command::Service(ServiceCommand::Create(args)) = Cli::try_parse_from(full).unwrap().command else {
        panic!("not a service create");
    };
    let read_file = |_: &str| Err(io::ErrorKind::NotFound.into());
    spec::create(&args, &Surroundings { read_file: &read_file, variable: &|_| None }).unwrap()
}

#[test]
fn a_service_of_a_stack_is_the_one_that_service_create_makes() {
    let spec = shop(
        r#"
services:
  web:
    image: nginx:1.27
    command: [nginx, -g, "daemon off;"]
    entrypoint: /entry.sh --wait "two words"
    environment: {B: "2", A: "1,x=y"}
    labels: {tier: front}
    hostname: "{{.Node.Hostname}}"
    user: "1000:1000"
    working_dir: /srv
    group_add: [mail]
    read_only: true
    volumes: ["data:/data:ro", "./a,b:/b", {type: tmpfs, target: /t, tmpfs: {size: 64m, mode: 01777}}]
    cap_add: [NET_ADMIN]
    cap_drop: [CHOWN]
    stop_signal: SIGINT
    stop_grace_period: 1m30s
    extra_hosts: ["db:10.0.0.9", "six:fd00::5"]
    dns: 10.0.0.2
    dns_search: [example.com]
    dns_opt: ["ndots:2"]
    ulimits: {nofile: {soft: 1024, hard: 4096}, nproc: 100}
    sysctls: {net.core.somaxconn: 1024}
    oom_score_adj: 100
    ports: ["80:8080", "127.0.0.1:53:53/udp", {target: 90, mode: host, published: 9090}]
    healthcheck: {test: curl -f localhost, interval: 5s, timeout: 2s, retries: 4, start_period: 1m, start_interval: 500ms}
    logging: {driver: json-file, options: {max-size: 5m, max-file: 2}}
    networks: {front: {aliases: [www]}}
    deploy:
      replicas: 3
      labels: {owner: me}
      placement: {constraints: ["node.role == worker"], preferences: [{spread: node.labels.zone}], max_replicas_per_node: 2}
      resources: {limits: {cpus: "0.5", memory: 64M, pids: 50}, reservations: {cpus: 0.25, memory: 32M}}
      restart_policy: {condition: on-failure, delay: 1s, max_attempts: 4, window: 1m}
      update_config: {parallelism: 2, delay: 3s, order: start-first, failure_action: rollback, monitor: 9s, max_failure_ratio: 0.25}
      rollback_config: {parallelism: 0}
volumes: {data: }
networks: {front: }
"#,
    );
    let expected = created(
        "--name shop_web --entrypoint '/entry.sh --wait \"two words\"' --env A=1,x=y --env B=2 --container-label tier=front \
         --container-label com.docker.stack.namespace=shop --hostname '{{.Node.Hostname}}' --user 1000:1000 --workdir /srv --group mail --read-only \
         --mount type=volume,source=shop_data,target=/data,readonly --mount 'type=bind,\"source=/project/a,b\",target=/b' \
         --mount type=tmpfs,target=/t,tmpfs-size=64m,tmpfs-mode=1777 --cap-add NET_ADMIN --cap-drop CHOWN --stop-signal SIGINT \
         --stop-grace-period 90s --host db:10.0.0.9 --host six:fd00::5 --dns 10.0.0.2 --dns-search example.com --dns-option ndots:2 \
         --ulimit nofile=1024:4096 --ulimit nproc=100 --sysctl net.core.somaxconn=1024 --oom-score-adj 100 --publish 80:8080 \
         --publish 127.0.0.1:53:53/udp --publish target=90,published=9090,mode=host --health-cmd 'curl -f localhost' --health-interval 5s --health-timeout 2s --health-retries 4 \
         --health-start-period 60s --health-start-interval 500ms --log-opt max-size=5m --log-opt max-file=2 \
         --network name=shop_front,alias=web,alias=www --replicas 3 --label owner=me --label com.docker.stack.namespace=shop \
         --label com.docker.stack.image=nginx:1.27 --constraint node.role==worker --placement-pref spread=node.labels.zone \
         --replicas-max-per-node 2 --limit-cpu 0.5 --limit-memory 64m --limit-pids 50 --reserve-cpu 0.25 --reserve-memory 32m \
         --restart-condition on-failure --restart-delay 1s --restart-max-attempts 4 --restart-window 60s \
         --update-parallelism 2 --update-delay 3s --update-order start-first --update-failure-action rollback --update-monitor 9s \
         --update-max-failure-ratio 0.25 --rollback-parallelism 0 nginx:1.27 nginx -g 'daemon off;'",
    );
    assert_eq!(spec.services[0].spec.as_ref().unwrap(), &expected);
    assert!(!spec.services[0].keep_scale);
}

#[test]
fn services_without_networks_are_in_the_stacks_own_and_answer_to_their_keys() {
    let spec = shop(
        "services: {web: {image: x}, db: {image: x, networks: [back]}, edge: {image: x, network_mode: host}}\nnetworks: {back: {internal: true}}",
    );
    let networks: Vec<_> =
        spec.networks.iter().map(|network| (network.name.as_str(), network.internal)).collect();
    assert_eq!(networks, [("shop_back", true), ("shop_default", false)]);
    let labels = |network: &wire::NetworkSpec| network.labels["com.docker.stack.namespace"] == "shop";
    assert!(spec.networks.iter().all(labels));
    let line = "network create --internal --label com.docker.stack.namespace=shop shop_back";
    let Command::Network(NetworkCommand::Create(args)) =
        Cli::try_parse_from(["shoal"].into_iter().chain(line.split(' '))).unwrap().command
    else {
        panic!("not a network create");
    };
    assert_eq!(spec.networks[0], spec::create_network(&args).unwrap());
    let attached = |nth: usize| {
        let service: &wire::StackService = &spec.services[nth];
        let task = service.spec.clone().unwrap().task.unwrap();
        let attachments: Vec<_> =
            task.attachments.iter().map(|it| (it.network.clone(), it.aliases.join(","))).collect();
        (attachments, task.network())
    };
    assert_eq!(attached(0), (vec![("shop_back".into(), "db".into())], wire::TaskNetwork::Node));
    assert_eq!(attached(1), (vec![], wire::TaskNetwork::Host));
    assert_eq!(attached(2), (vec![("shop_default".into(), "web".into())], wire::TaskNetwork::Node));
    assert!(spec.services.iter().all(|service| service.keep_scale));
}

#[test]
fn what_is_there_already_keeps_its_own_name() {
    let spec = shop(
        "services: {web: {image: x, networks: [pub, host-net], volumes: ['data:/d', 'own:/o']}}\n\
         networks: {pub: {external: true, name: traefik-public}, host-net: {external: {name: other}}}\n\
         volumes: {data: {external: true}, own: {name: exactly}}",
    );
    assert!(spec.networks.is_empty());
    let task = spec.services[0].spec.clone().unwrap().task.unwrap();
    let networks: Vec<_> = task.attachments.iter().map(|it| it.network.as_str()).collect();
    assert_eq!(networks, ["traefik-public", "other"]);
    let sources: Vec<_> = task.container.unwrap().mounts.into_iter().map(|mount| mount.source).collect();
    assert_eq!(sources, ["data", "exactly"]);
}

#[test]
fn composes_own_restart_is_one_of_ours() {
    let policy = |word: &str| {
        let spec = shop(&format!("services: {{web: {{image: x, restart: '{word}'}}}}"));
        let policy = spec.services[0].spec.clone().unwrap().task.unwrap().restart.unwrap();
        (policy.condition(), policy.max_attempts)
    };
    use wire::restart_policy::Condition;
    assert_eq!(policy("no"), (Condition::None, 0));
    assert_eq!(policy("always"), (Condition::Any, 0));
    assert_eq!(policy("on-failure:3"), (Condition::OnFailure, 3));
    let (_, errors, _) =
        shop_of("f.yml", &[("f.yml", "services:\n  web:\n    image: x\n    restart: sometimes\n")]);
    assert_eq!(
        errors,
        [
            "f.yml:4:14: services.web.restart: `sometimes` is not one of the choices: use none, on-failure, any"
        ]
    );
}

#[test]
fn what_is_wrong_with_a_value_is_said_at_its_place() {
    let (_, errors, _) = shop_of(
        "f.yml",
        &[(
            "f.yml",
            r#"
services:
  web:
    image: Nginx
    stop_grace_period: 10
    cap_add: [NET_ADMIN, "NO SUCH"]
    working_dir: srv
    ports: ["8080:80", {target: 90, published: 99999}]
    deploy:
      mode: globl
      placement: {constraints: [node.role==worker, node.role=manager]}
      resources: {limits: {memory: 64x}}
      update_config: {failure_action: panic}
  noimage:
    command: x
networks:
  default: {ipam: {config: [{subnet: 10.0.0.0}]}}
"#,
        )],
    );
    assert_eq!(
        errors,
        [
            "f.yml:4:12: services.web.image: image name `Nginx` is not valid: use lower-case letters, digits and single `.`, `_`, `-` between them, with `/` between parts",
            "f.yml:5:24: services.web.stop_grace_period: this must be a text, and is a number: put it in quotes",
            "f.yml:6:26: services.web.cap_add[1]: `NO SUCH` is not a capability: use a name such as NET_ADMIN or SYS_TIME, or ALL",
            "f.yml:7:18: services.web.working_dir: `srv` must be an absolute path, such as /app",
            "f.yml:8:24: services.web.ports[1]: `99999` is not a port: use a number from 1 to 65535",
            "f.yml:10:13: services.web.deploy.mode: `globl` is not one of the choices: use replicated, global, replicated-job, global-job",
            "f.yml:11:52: services.web.deploy.placement.constraints[1]: constraint `node.role=manager` has no operator: write KEY==VALUE, such as node.labels.disk==ssd, or another of ==, !=, in, notin, =~, < and >",
            "f.yml:12:36: services.web.deploy.resources.limits.memory: `64x` is not a size: write a number with b, k, m, g or t, such as 64m or 1.5g",
            "f.yml:13:39: services.web.deploy.update_config.failure_action: `panic` is not one of the choices: use pause, continue, rollback",
            "f.yml:14:3: services.noimage: no image is named: add image: NAME (the cluster builds none)",
            "f.yml:17:38: networks.default.ipam.config[0].subnet: `10.0.0.0` is not a subnet: write ADDRESS/PREFIX, such as 10.0.9.0/24",
        ]
    );
}

#[test]
fn the_files_that_people_have_become_stacks() {
    for (name, services) in [
        ("voting-app.yml", 6),
        ("wordpress.yml", 2),
        ("monitoring.yml", 4),
        ("traefik.yml", 1),
        ("nextcloud.yml", 4),
        ("gitlab.yml", 1),
        ("elk.yml", 3),
        ("include.yml", 3),
        ("base.yml", 2),
        ("mail.yml", 1),
    ] {
        let (spec, errors, _) = shop_of(name, &[("db.env", "A=1")]);
        assert_eq!((errors, spec.services.len()), (vec![], services), "{name}");
        let spec_of = |service: wire::StackService| service.spec.unwrap();
        for mut service in spec.services.into_iter().map(spec_of) {
            // Only the managers know networks by name.
            service.task.as_mut().unwrap().attachments.clear();
            assert!(proto::model::ServiceSpec::try_from(service).is_ok(), "{name}");
        }
    }
}

#[test]
fn dependencies_are_named_in_full() {
    let spec = shop(
        "services: {web: {image: x, depends_on: {db: {condition: service_healthy}, gone: {condition: service_started, required: false}}}, db: {image: x}}",
    );
    let dependency = wire::StackDependency {
        service: "shop_db".into(),
        condition: wire::stack_dependency::Condition::Healthy.into(),
    };
    assert_eq!(spec.services[1].depends_on, [dependency]);
}

#[test]
fn checks_without_a_shell_and_none_at_all_are_what_the_file_says() {
    use wire::probe::{Exec, Kind};
    let health = |check: &str| {
        let spec = shop(&format!("services: {{web: {{image: x, healthcheck: {check}}}}}"));
        spec.services[0].spec.clone().unwrap().task.unwrap().container.unwrap().health
    };
    let exec = Kind::Exec(Exec { args: vec!["pg_isready".into(), "-U".into(), "me".into()] });
    let checked = health("{test: [CMD, pg_isready, -U, me], interval: 3s}").unwrap();
    assert_eq!((checked.kind, checked.interval_ms), (Some(exec), Some(3_000)));
    for none in ["{disable: true}", "{test: [NONE]}"] {
        assert_eq!(health(none).unwrap().kind, Some(Kind::Disabled(true)), "{none}");
    }
    // Times alone are for the image's own check.
    let timed = health("{retries: 5}").unwrap();
    assert_eq!((timed.kind, timed.retries), (None, 5));
    assert_eq!(health("{}"), None);
}
