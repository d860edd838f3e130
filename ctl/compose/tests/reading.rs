//! Compose files as people have them: what they say, what of it is refused, and that nothing makes the reader panic.

use compose::{Files, Loaded, Report, Source, model::*, yaml};
use proptest::prelude::*;
use std::{collections::BTreeMap, io, path::Path};

/// The fixtures, and files that a test makes up.
#[derive(Default)]
struct Fixtures(BTreeMap<String, Vec<u8>>);

impl Files for Fixtures {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        if let Some(bytes) = self.0.get(path) {
            return Ok(bytes.clone());
        }
        match path.strip_prefix("/project/") {
            Some(path) => {
                std::fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures").join(path))
            }
            None => Err(io::ErrorKind::NotFound.into()),
        }
    }
}

fn variable(name: &str) -> Option<String> {
    match name {
        "GITLAB_HOME" => Some("/srv/gitlab".into()),
        "MYSQL_ROOT_PASSWORD" => Some("secret".into()),
        _ => None,
    }
}

fn read_with(
    files: &Fixtures,
    names: &[&str],
    profiles: &[&str],
) -> (Option<Loaded>, Vec<String>, Vec<String>) {
    let paths: Vec<String> = names.iter().map(|name| format!("/project/{name}")).collect();
    let report = Report::default();
    let source = Source { paths: &paths, directory: None, env_files: &[], files, variable: &variable };
    let profiles: Vec<String> = profiles.iter().map(ToString::to_string).collect();
    let loaded = compose::read(&source, &profiles, &report);
    let texts = |findings: Vec<compose::Finding>| {
        findings.iter().map(|finding| finding.to_string().replace("/project/", "")).collect()
    };
    (loaded, texts(report.errors()), texts(report.warnings()))
}

fn files() -> Fixtures {
    Fixtures(
        [("/project/db.env".into(), b"MYSQL_PASSWORD='a$b'\nMYSQL_DATABASE=nextcloud\n".to_vec())].into(),
    )
}

fn read(names: &[&str]) -> Project {
    let (loaded, errors, _) = read_with(&files(), names, &[]);
    assert_eq!(errors, [""; 0], "{names:?}");
    loaded.expect("a project without errors").project
}

fn warnings(name: &str) -> Vec<String> {
    read_with(&files(), &[name], &[]).2
}

const GOOD: [&str; 11] = [
    "voting-app.yml",
    "wordpress.yml",
    "monitoring.yml",
    "traefik.yml",
    "nextcloud.yml",
    "gitlab.yml",
    "elk.yml",
    "include.yml",
    "base.yml",
    "ci-runner.yml",
    "mail.yml",
];

fn words(texts: &[compose::At<String>]) -> Vec<&str> {
    texts.iter().map(|text| text.value.as_str()).collect()
}

fn pairs(pairs: &[(String, compose::At<String>)]) -> Vec<String> {
    pairs.iter().map(|(name, value)| format!("{name}={}", value.value)).collect()
}

#[test]
fn what_is_written_out_reads_as_the_same_project() {
    for name in GOOD {
        let (loaded, errors, warnings) = read_with(&files(), &[name], &["*"]);
        assert_eq!(errors, [""; 0], "{name}");
        let loaded = loaded.unwrap();
        let text = yaml::to_text(&loaded.tree);
        let mut again = files();
        again.0.insert("/project/again.yml".into(), text.clone().into_bytes());
        let (read, errors, warnings_again) = read_with(&again, &["again.yml"], &["*"]);
        assert_eq!(errors, [""; 0], "{name}:\n{text}");
        let read = read.unwrap();
        assert_eq!(read.project, loaded.project, "{name}:\n{text}");
        assert_eq!(yaml::to_text(&read.tree), text, "{name}");
        let unset = |warning: &&String| !warning.contains("is not set");
        assert_eq!(warnings.iter().filter(unset).count(), warnings_again.len(), "{name}: {warnings:?}");
    }
}

#[test]
fn services_of_other_profiles_are_left_out() {
    let services = |profiles: &[&str]| {
        let (loaded, errors, _) = read_with(&files(), &["voting-app.yml"], profiles);
        assert_eq!(errors, [""; 0]);
        loaded.unwrap().project.services.into_keys().collect::<Vec<_>>()
    };
    assert_eq!(services(&[]), ["db", "redis", "result", "vote", "worker"]);
    assert_eq!(services(&["seed"]), ["db", "redis", "result", "seed", "vote", "worker"]);
}

#[test]
fn a_service_says_what_its_file_says() {
    let project = read(&["voting-app.yml"]);
    let vote = &project.services["vote"];
    assert_eq!(vote.image.as_ref().unwrap().value, "example/vote:latest");
    let redis = &vote.depends_on[0];
    assert_eq!((redis.service.value.as_str(), redis.condition), ("redis", Condition::Healthy));
    assert_eq!(words(&vote.healthcheck.as_ref().unwrap().test), ["CMD", "curl", "-f", "http://localhost"]);
    assert_eq!(vote.deploy.replicas.as_ref().unwrap().value, 2);
    let result = &project.services["result"];
    assert_eq!(words(&result.entrypoint), ["nodemon", "--inspect=0.0.0.0", "server.js"]);
    assert_eq!(result.ports[1].host_ip.as_ref().unwrap().value, "127.0.0.1");
    let mount = &project.services["redis"].mounts[0];
    assert_eq!(mount.source.as_ref().unwrap().value, "/project/healthchecks");
    assert_eq!((mount.kind.value, mount.read_only), (MountKind::Bind, true));
    let test = &project.services["db"].healthcheck.as_ref().unwrap().test;
    assert_eq!(words(test), ["CMD-SHELL", "/healthchecks/postgres.sh"]);
}

#[test]
fn anchors_env_files_and_variables_come_together() {
    let project = read(&["nextcloud.yml"]);
    let db = &project.services["db"];
    assert_eq!(
        pairs(&db.environment),
        [
            "MYSQL_PASSWORD=a$b",
            "MYSQL_DATABASE=nextcloud",
            "MYSQL_ROOT_PASSWORD=secret",
            "MARIADB_AUTO_UPGRADE=1"
        ]
    );
    let cron = &project.services["cron"];
    assert_eq!((words(&cron.entrypoint), cron.ports.len()), (vec!["/cron.sh"], 0));
    assert_eq!(cron.environment.len(), 5, "{:?}", pairs(&cron.environment));
    assert!(cron.depends_on[0].restart);
    let elk = read(&["elk.yml"]);
    let hosts = pairs(&elk.services["kibana"].extra_hosts);
    assert_eq!(hosts, ["host.docker.internal=host-gateway", "six=fd00::5", "two=10.0.0.1", "two=10.0.0.2"]);
    assert_eq!(elk.services["logstash"].configs[0].mode.as_ref().unwrap().value, 0o444);
    assert_eq!(elk.services["logstash"].ports.len(), 4);
}

#[test]
fn files_are_merged_by_the_rules_of_compose() {
    let project = read(&["base.yml", "override.yml"]);
    assert_eq!(project.services.keys().collect::<Vec<_>>(), ["extra", "web"]);
    assert!(project.volumes.is_empty());
    let web = &project.services["web"];
    assert_eq!(web.image.as_ref().unwrap().value, "nginx:1.28");
    assert_eq!(words(&web.command), ["nginx-debug", "-g", "daemon off;"]);
    assert_eq!(pairs(&web.environment), ["A=1", "B=3", "C=4"]);
    assert_eq!(web.ports.len(), 1);
    assert_eq!(web.ports[0].published.as_ref().unwrap().value, "8080");
    let sources: Vec<_> =
        web.mounts.iter().map(|mount| mount.source.as_ref().unwrap().value.as_str()).collect();
    assert_eq!(sources, ["/project/logs", "/project/a"]);
    assert_eq!(words(&web.dns), ["10.0.0.1", "10.0.0.2"]);
    assert_eq!(pairs(&web.logging.as_ref().unwrap().options), ["max-file=2"]);
    assert_eq!(words(&web.deploy.placement.constraints), ["node.role==worker", "node.labels.ssd==true"]);
    assert!(web.labels.is_empty());
}

#[test]
fn included_and_extended_files_have_folders_and_variables_of_their_own() {
    let project = read(&["include.yml"]);
    assert_eq!(project.name.as_ref().unwrap().value, "shop");
    assert_eq!(project.services.keys().collect::<Vec<_>>(), ["database", "exporter", "web"]);
    let exporter = &project.services["exporter"];
    assert_eq!(exporter.mounts[0].source.as_ref().unwrap().value, "/project/monitoring/conf");
    let database = &project.services["database"];
    assert_eq!(database.image.as_ref().unwrap().value, "postgres:16");
    assert_eq!(pairs(&database.environment), ["POSTGRES_PASSWORD=s3 cret", "POSTGRES_USER=shop"]);
    assert!(database.ports.is_empty());
    let web = &project.services["web"];
    assert_eq!(pairs(&web.environment), ["ROLE=front", "TZ=UTC"]);
    assert_eq!((words(&web.cap_drop), web.read_only.as_ref().unwrap().value), (vec!["ALL"], true));
    let sources: Vec<_> = web.mounts.iter().map(|mount| mount.target.value.as_str()).collect();
    assert_eq!(sources, ["/static", "/tmp"]);
    assert_eq!(web.mounts[0].source.as_ref().unwrap().value, "/project/common/static");
}

#[test]
fn everything_that_is_wrong_is_named_with_its_place() {
    let (_, errors, _) = read_with(&files(), &["wrong.yml"], &[]);
    let expected = [
        "wrong.yml:3:5: services.web.imge: there is no such key: did you mean image?",
        "wrong.yml:4:22: services.web.ports[1]: `eighty` is not a port: use a number from 1 to 65535, or a range of them such as 8080-8089",
        "wrong.yml:4:32: services.web.ports[2]: nothing says which port of the container is meant: add target: PORT",
        "wrong.yml:6:7: services.web.environment: this must be a map, or a list of NAME=VALUE, and is a list",
        "wrong.yml:8:17: services.web.deploy.replicas: this must be a whole number, and is a text",
        "wrong.yml:9:28: services.web.deploy.resources.limits.memroy: there is no such key: did you mean memory?",
        "wrong.yml:10:15: services.web.volumes[0]: there is no option `rx` of a volume: use ro, rw, z, Z, nocopy, or a propagation such as rshared",
        "wrong.yml:10:36: services.web.volumes[1].type: `bnd` is not a kind of mount: use bind, volume or tmpfs",
        "wrong.yml:11:16: services.web.networks.front: there is no network `front` below networks: the project has no networks",
        "wrong.yml:12:18: services.web.depends_on.db: there is no service `db` below services: the services are a, b, web",
        "wrong.yml:12:34: services.web.depends_on.db.condition: condition `healthy` is not known: use service_started, service_healthy or service_completed_successfully",
        "wrong.yml:13:26: services.web.healthcheck.test[0]: `curl` is not how a check begins: write CMD, CMD-SHELL or NONE first",
        "wrong.yml:14:16: services.web.read_only: this must be true or false, and is a text",
        "wrong.yml:15:11: services.web.user: this must be a text or a number, and is true or false: put it in quotes",
        "wrong.yml:16:9: services.-bad: this must be a map of keys with values, and is a number",
        "wrong.yml:17:30: services.a.depends_on.b: services `a` and `b` wait for each other, by way of others or not: take one of the dependencies out",
        "wrong.yml:18:30: services.b.depends_on.a: services `b` and `a` wait for each other, by way of others or not: take one of the dependencies out",
        "wrong.yml:19:1: network: there is no such key: did you mean networks?",
        "wrong.yml:20:11: secrets.s: an external one has its content already: leave file, environment and content out",
        "wrong.yml:20:41: secrets.t: nothing says what is in it: add one of file, environment and content, or external: true",
    ];
    assert_eq!(errors, expected);
}

#[test]
fn what_is_not_honoured_is_named() {
    assert_eq!(warnings("voting-app.yml"), [""; 0]);
    let cadvisor = warnings("monitoring.yml");
    for key in [
        "cadvisor.privileged: not honoured: set cap_add",
        "cadvisor.devices: not honoured",
        "bind.propagation: not honoured",
    ] {
        assert!(cadvisor.iter().any(|warning| warning.contains(key)), "{key}: {cadvisor:?}");
    }
    let mail = warnings("mail.yml");
    let keys: Vec<_> = mail.iter().filter_map(|warning| warning.split(": ").nth(1)).collect();
    assert_eq!(keys, ["services.relay.domainname", "services.relay.security_opt", "services.relay.tty"]);
}

#[test]
fn a_file_that_is_missing_or_includes_itself_is_an_error_and_no_end() {
    let with = |name: &str, text: &str| {
        let mut files = files();
        files.0.insert(format!("/project/{name}"), text.as_bytes().to_vec());
        read_with(&files, &[name], &[]).1.join("\n")
    };
    assert!(with("a.yml", "include: [a.yml]\nservices: {a: {image: x}}").contains("includes itself"));
    let missing = with("a.yml", "services:\n  a:\n    image: x\n    env_file: no.env\n");
    assert!(missing.starts_with("a.yml:4:15: services.a.env_file[0]: cannot read no.env"), "{missing}");
    assert!(with("a.yml", "services: {a: {extends: b}, b: {extends: a}}").contains("extends itself"));
    assert!(with("a.yml", "services: {a: {extends: c}}").contains("there is no service `c`"));
    let required = with("a.yml", "services:\n  a:\n    image: x:${V:?say which}\n");
    assert_eq!(required, "a.yml:3:12: services.a.image: variable V is required: say which");
    let gone = read_with(&files(), &["gone.yml"], &[]).1;
    assert!(gone[0].starts_with("gone.yml:1:1: cannot read gone.yml"), "{gone:?}");
}

fn fixture(name: &str) -> Vec<u8> {
    files().read(&format!("/project/{name}")).expect("a fixture is there")
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 256, ..ProptestConfig::default() })]

    #[test]
    fn no_bytes_make_the_reader_panic(bytes in prop::collection::vec(any::<u8>(), 0..400)) {
        let mut files = files();
        files.0.insert("/project/a.yml".into(), bytes);
        read_with(&files, &["a.yml"], &["*"]);
    }

    #[test]
    fn no_damage_to_a_file_makes_the_reader_panic(
        name in prop::sample::select(GOOD.to_vec()),
        other in prop::sample::select(GOOD.to_vec()),
        damage in prop::collection::vec((any::<prop::sample::Index>(), 0usize..12, "[-:{}\\[\\]&*!|>'\"%@`,?#~ \\n\\ta-z0-9$<]{0,6}"), 1..8),
    ) {
        let mut text = String::from_utf8(fixture(name)).unwrap();
        for (at, length, put) in damage {
            let chars: Vec<char> = text.chars().collect();
            let at = at.index(chars.len().max(1)).min(chars.len());
            let end = (at + length).min(chars.len());
            text = chars[..at].iter().chain(put.chars().collect::<Vec<_>>().iter()).chain(&chars[end..]).collect();
        }
        let mut files = files();
        files.0.insert("/project/damaged.yml".into(), text.into_bytes());
        read_with(&files, &["damaged.yml"], &["*"]);
        read_with(&files, &[other, "damaged.yml"], &["*"]);
    }
}
