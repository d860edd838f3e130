//! Whole specs, compared with files. `UPDATE=1 cargo test -p worker-core` renews the files.

use super::*;
use serde_json::Value;
use std::{collections::BTreeMap, path::PathBuf};

/// A situation; each test changes what it is about.
struct Situation {
    container: ContainerSpec,
    limits: Limits,
    image: ImageConfig,
    identity: Identity,
    mounts: Vec<ResolvedMount>,
    network: NetworkNamespace,
    cgroup_version: CgroupVersion,
    files: GeneratedFiles,
    architecture: Architecture,
}

impl Situation {
    fn plain() -> Self {
        Self {
            container: ContainerSpec { image: "busybox".into(), ..Default::default() },
            limits: Limits::default(),
            image: ImageConfig { cmd: vec!["sh".into()], ..Default::default() },
            identity: Identity { uid: 0, gid: 0, groups: vec![10], home: "/root".into() },
            mounts: vec![],
            network: NetworkNamespace::Isolated,
            cgroup_version: CgroupVersion::V2,
            files: GeneratedFiles::default(),
            architecture: Architecture::X86_64,
        }
    }

    fn build(&self) -> Result<Spec, SpecError> {
        build(&SpecInput {
            task: TaskId::from_bits(0x0123_4567_89ab_cdef_0123_4567_89ab_cdef),
            container: &self.container,
            limits: &self.limits,
            image: &self.image,
            identity: &self.identity,
            mounts: &self.mounts,
            network: &self.network,
            cgroup_path: "/shoal-abc123/task",
            node_cgroups: NodeCgroups { version: self.cgroup_version, limits_swap: true },
            files: &self.files,
            available_capabilities: &capabilities_from_mask(u64::MAX),
            architecture: self.architecture,
        })
    }
}

/// The spec as text that is always the same: sets come in any order from the spec's types.
fn text(spec: &Spec) -> String {
    fn sorted(value: Value) -> Value {
        match value {
            Value::Object(fields) => {
                let fields: BTreeMap<String, Value> =
                    fields.into_iter().map(|(k, v)| (k, sorted(v))).collect();
                Value::Object(fields.into_iter().collect())
            }
            Value::Array(items)
                if items.iter().all(|i| i.as_str().is_some_and(|s| s.starts_with("CAP_"))) =>
            {
                let mut items = items;
                items.sort_by(|a, b| a.as_str().cmp(&b.as_str()));
                Value::Array(items)
            }
            Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
            other => other,
        }
    }
    let value = sorted(serde_json::to_value(spec).unwrap());
    format!("{}\n", serde_json::to_string_pretty(&value).unwrap())
}

#[expect(clippy::disallowed_methods, reason = "golden files are read and written by tests only")]
fn check(name: &str, situation: &Situation) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join(format!("src/oci_spec/golden/{name}.json"));
    let is = text(&situation.build().unwrap());
    if std::env::var("UPDATE").is_ok() {
        std::fs::write(&path, &is).unwrap();
    }
    let should = std::fs::read_to_string(&path).unwrap();
    assert!(
        is == should,
        "{} differs; if that is meant, run with UPDATE=1 and read the difference",
        path.display()
    );
}

#[test]
fn a_plain_container_has_dockers_defaults() {
    check("plain", &Situation::plain());
}

#[test]
fn everything_a_user_can_ask_for_is_in_the_spec() {
    let mut all = Situation::plain();
    all.container = ContainerSpec {
        image: "shop".into(),
        entrypoint: vec!["/bin/serve".into()],
        args: vec!["--port".into(), "80".into()],
        env: vec!["MODE=live".into()],
        labels: BTreeMap::from([("tier".into(), "front".into())]),
        workdir: Some("/srv/shop".into()),
        hostname: Some("shop-1".into()),
        read_only: true,
        cap_add: vec!["NET_ADMIN".into()],
        cap_drop: vec!["MKNOD".into(), "NET_RAW".into()],
        ulimits: ["nofile=1024:4096", "memlock=-1"].map(|text| text.parse().unwrap()).into(),
        sysctls: vec!["net.core.somaxconn=1024".parse().unwrap()],
        oom_score_adj: 500,
        ..Default::default()
    };
    all.image.labels = BTreeMap::from([("tier".into(), "none".into()), ("vendor".into(), "acme".into())]);
    all.limits = Limits { nano_cpus: Some(500_000_000), memory_bytes: Some(64 << 20), pids: Some(50) };
    all.identity = Identity { uid: 101, gid: 102, groups: vec![50], home: "/srv".into() };
    all.mounts = vec![
        ResolvedMount {
            target: "/data".into(),
            read_only: true,
            source: ResolvedSource::Path("/var/lib/shoal/volumes/data".into()),
        },
        ResolvedMount {
            target: "/run/cache".into(),
            read_only: false,
            source: ResolvedSource::Tmpfs { size_bytes: Some(1 << 20), mode: Some(0o700) },
        },
    ];
    all.network = NetworkNamespace::Path("/run/netns/t1".into());
    all.files = GeneratedFiles {
        hosts: Some("/run/t1/hosts".into()),
        hostname: Some("/run/t1/hostname".into()),
        resolv_conf: Some("/run/t1/resolv.conf".into()),
    };
    check("everything", &all);
}

#[test]
fn version_1_cgroups_are_made_read_only_one_by_one() {
    let mut v1 = Situation::plain();
    v1.cgroup_version = CgroupVersion::V1;
    v1.network = NetworkNamespace::Host;
    v1.architecture = Architecture::Aarch64;
    check("version_1_host_network_arm", &v1);
}

#[test]
fn all_capabilities_open_what_is_filtered_by_capability() {
    let mut all = Situation::plain();
    all.container.cap_add = vec!["ALL".into()];
    check("all_capabilities", &all);
}

#[test]
fn a_spec_can_be_read_back() {
    let spec = Situation::plain().build().unwrap();
    let read: Spec = serde_json::from_str(&text(&spec)).unwrap();
    assert_eq!(read, spec);
}

#[test]
fn a_host_name_the_kernel_would_not_take_is_refused() {
    for name in ["x".repeat(65), "a b".into(), "-a".into()] {
        let mut long = Situation::plain();
        long.container.hostname = Some(name);
        assert!(matches!(long.build(), Err(SpecError::Hostname { .. })));
    }
}
