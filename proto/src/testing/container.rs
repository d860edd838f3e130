//! Containers and their mounts.

use super::{payload::payload_uses, probe, text};
use crate::model::{
    ContainerSpec, DnsConfig, ExtraHost, HostTarget, Mount, MountKind, Probe, Signal, Sysctl, Ulimit,
    container::OOM_SCORES,
};
use proptest::{collection, option, prelude::*, sample::subsequence};

/// A container with any mixture of its options.
pub fn container_spec() -> impl Strategy<Value = ContainerSpec> {
    let process =
        (text::arguments(), text::arguments(), text::variables(), option::of(text::absolute_path()));
    let identity = (option::of("[a-z]{1,8}(:[0-9]{1,4})?"), collection::vec("[a-z0-9]{1,8}", 0..3));
    let place = (option::of("[a-z0-9]([a-z0-9-]{0,10}[a-z0-9])?(\\.[a-z]{1,8})?"), any::<bool>(), mounts());
    let rights = (capabilities(), capabilities());
    let hosts = collection::vec(extra_host(), 0..3);
    let end = (option::of((1..=64).prop_map(signal)), option::of(text::span(0)), hosts);
    let payloads = (payload_uses(""), payload_uses("/etc/"));
    let further = (probes(), payloads);
    (image(), text::labels(), process, identity, place, rights, (end, dns_config(), kernel(), further))
        .prop_map(
            |(
                image,
                labels,
                process,
                (user, groups),
                (hostname, read_only, mounts),
                (cap_add, cap_drop),
                (
                    end,
                    dns,
                    (ulimits, sysctls, oom_score_adj),
                    ((health, startup, readiness), (secrets, configs)),
                ),
            )| {
                let (entrypoint, args, env, workdir) = process;
                let (stop_signal, stop_grace_period, hosts) = end;
                ContainerSpec {
                    image,
                    entrypoint,
                    args,
                    env,
                    labels,
                    workdir,
                    user,
                    groups,
                    hostname,
                    read_only,
                    mounts,
                    cap_add,
                    cap_drop,
                    stop_signal,
                    stop_grace_period,
                    hosts,
                    dns,
                    ulimits,
                    sysctls,
                    oom_score_adj,
                    health,
                    startup,
                    readiness,
                    secrets,
                    configs,
                }
            },
        )
}

fn probes() -> impl Strategy<Value = (Probe, Option<Probe>, Option<Probe>)> {
    (probe::health(), option::of(probe::probe()), option::of(probe::probe()))
}

fn extra_host() -> impl Strategy<Value = ExtraHost> {
    let address = any::<std::net::IpAddr>().prop_map(HostTarget::Address);
    let target = prop_oneof![address, Just(HostTarget::Gateway)];
    ("[a-z0-9]([a-z0-9_.-]{0,10})", target).prop_map(|(name, target)| ExtraHost { name, target })
}

fn dns_config() -> impl Strategy<Value = DnsConfig> {
    let servers = collection::vec(any::<std::net::IpAddr>(), 0..3);
    let searches =
        prop_oneof![Just(vec![".".to_owned()]), collection::vec("[a-z]{1,8}(\\.[a-z]{1,8})?", 0..3)];
    (servers, searches, collection::vec("ndots:[0-9]|rotate", 0..3))
        .prop_map(|(servers, searches, options)| DnsConfig { servers, searches, options })
}

fn kernel() -> impl Strategy<Value = (Vec<Ulimit>, Vec<Sysctl>, i32)> {
    let ulimits = subsequence(vec!["nofile=1024:4096", "core=0:0", "memlock=-1:-1", "nproc=7:-1"], 0..=4);
    let sysctls = subsequence(vec!["kernel.sem=1 2 3 4", "fs.mqueue.msg_max=5"], 0..=2);
    let ulimits = ulimits.prop_map(|texts| texts.iter().map(|text| text.parse().expect("a limit")).collect());
    let sysctls =
        sysctls.prop_map(|texts| texts.iter().map(|text| text.parse().expect("a setting")).collect());
    (ulimits, sysctls, OOM_SCORES)
}

fn image() -> impl Strategy<Value = String> {
    "([a-z]{1,8}\\.example(:[1-9][0-9]{0,3})?/)?[a-z0-9]{1,8}(/[a-z0-9]{1,8})?(:[a-zA-Z0-9_][a-zA-Z0-9_.-]{0,10})?"
}

fn signal(number: i32) -> Signal {
    Signal::try_from(number).expect("1 to 64 are signals")
}

fn capabilities() -> impl Strategy<Value = Vec<String>> {
    subsequence(vec!["ALL", "CHOWN", "NET_ADMIN", "NET_RAW", "SYS_TIME"], 0..=5)
        .prop_map(|names| names.into_iter().map(String::from).collect())
}

/// A few mounts whose targets differ.
fn mounts() -> impl Strategy<Value = Vec<Mount>> {
    collection::btree_map(text::absolute_path(), (any::<bool>(), mount_kind()), 0..4).prop_map(|mounts| {
        mounts.into_iter().map(|(target, (read_only, kind))| Mount { target, read_only, kind }).collect()
    })
}

fn mount_kind() -> impl Strategy<Value = MountKind> {
    prop_oneof![
        text::absolute_path().prop_map(|source| MountKind::Bind { source }),
        option::of("[a-z0-9][a-z0-9_.-]{0,10}").prop_map(|name| MountKind::Volume { name }),
        (option::of(any::<u64>()), option::of(0..=0o7777u32))
            .prop_map(|(size_bytes, mode)| MountKind::Tmpfs { size_bytes, mode }),
    ]
}
