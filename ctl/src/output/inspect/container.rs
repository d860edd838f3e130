//! A container's spec as docker's API describes it.

use super::{health::Healthcheck, nanos, sorted};
use crate::output::states;
use proto::{model, wire};
use serde::Serialize;
use std::collections::BTreeMap;

/// What runs in each container.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct ContainerSpec {
    image: String,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    labels: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    command: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    args: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    hostname: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    env: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    dir: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    user: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    groups: Vec<String>,
    #[serde(skip_serializing_if = "String::is_empty")]
    stop_signal: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    mounts: Vec<Mount>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_grace_period: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Healthcheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    startup_probe: Option<Healthcheck>,
    #[serde(skip_serializing_if = "Option::is_none")]
    readiness_probe: Option<Healthcheck>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    hosts: Vec<String>,
    #[serde(rename = "DNSConfig", skip_serializing_if = "Option::is_none")]
    dns_config: Option<DnsConfig>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    secrets: Vec<SecretReference>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    configs: Vec<ConfigReference>,
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    sysctls: BTreeMap<String, String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    ulimits: Vec<Ulimit>,
    #[serde(skip_serializing_if = "is_zero")]
    oom_score_adj: i32,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capability_add: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    capability_drop: Vec<String>,
}

/// A secret that is found as a file; the version of its content is not docker's.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct SecretReference {
    file: PayloadFile,
    #[serde(rename = "SecretID")]
    secret_id: String,
    secret_name: String,
    content_version: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct ConfigReference {
    file: PayloadFile,
    #[serde(rename = "ConfigID")]
    config_id: String,
    config_name: String,
    content_version: u64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct PayloadFile {
    name: String,
    #[serde(rename = "UID")]
    uid: String,
    #[serde(rename = "GID")]
    gid: String,
    mode: u32,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct DnsConfig {
    #[serde(skip_serializing_if = "Vec::is_empty")]
    nameservers: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    search: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    options: Vec<String>,
}

/// A limit, where -1 is none.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Ulimit {
    name: String,
    hard: i64,
    soft: i64,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct Mount {
    r#type: &'static str,
    #[serde(skip_serializing_if = "String::is_empty")]
    source: String,
    target: String,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    read_only: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    tmpfs_options: Option<TmpfsOptions>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct TmpfsOptions {
    #[serde(skip_serializing_if = "Option::is_none")]
    size_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<u32>,
}

impl From<wire::ContainerSpec> for ContainerSpec {
    fn from(container: wire::ContainerSpec) -> Self {
        ContainerSpec {
            image: container.image,
            labels: sorted(&container.labels),
            command: container.entrypoint,
            args: container.args,
            hostname: container.hostname,
            env: container.env,
            dir: container.workdir,
            user: container.user,
            groups: container.groups,
            stop_signal: container.stop_signal,
            read_only: container.read_only,
            mounts: container.mounts.into_iter().map(Into::into).collect(),
            stop_grace_period: container.stop_grace_period_ms.map(nanos),
            healthcheck: container.health.map(Into::into),
            startup_probe: container.startup.map(Into::into),
            readiness_probe: container.readiness.map(Into::into),
            hosts: container.hosts.iter().map(|line| host(line)).collect(),
            dns_config: container.dns.map(Into::into),
            secrets: container.secrets.into_iter().map(Into::into).collect(),
            configs: container.configs.into_iter().map(Into::into).collect(),
            sysctls: container.sysctls.iter().filter_map(|text| setting(text)).collect(),
            ulimits: container.ulimits.iter().filter_map(|text| text.parse().ok()).map(ulimit).collect(),
            oom_score_adj: container.oom_score_adj,
            capability_add: capabilities(&container.cap_add),
            capability_drop: capabilities(&container.cap_drop),
        }
    }
}

impl From<wire::PayloadUse> for SecretReference {
    fn from(used: wire::PayloadUse) -> Self {
        let (secret_id, secret_name, content_version) =
            (used.payload.clone(), used.name.clone(), used.edition);
        SecretReference { file: used.into(), secret_id, secret_name, content_version }
    }
}

impl From<wire::PayloadUse> for ConfigReference {
    fn from(used: wire::PayloadUse) -> Self {
        let (config_id, config_name, content_version) =
            (used.payload.clone(), used.name.clone(), used.edition);
        ConfigReference { file: used.into(), config_id, config_name, content_version }
    }
}

impl From<wire::PayloadUse> for PayloadFile {
    fn from(used: wire::PayloadUse) -> Self {
        let (uid, gid) = (used.uid.to_string(), used.gid.to_string());
        PayloadFile { name: used.target, uid, gid, mode: used.mode.unwrap_or_default() }
    }
}

impl From<wire::Mount> for Mount {
    fn from(mount: wire::Mount) -> Self {
        let (size_bytes, mode) = (mount.tmpfs_size_bytes, mount.tmpfs_mode);
        Mount {
            r#type: states::mount(mount.kind()),
            source: mount.source,
            target: mount.target,
            read_only: mount.read_only,
            tmpfs_options: (size_bytes.is_some() || mode.is_some())
                .then_some(TmpfsOptions { size_bytes, mode }),
        }
    }
}

impl From<wire::DnsConfig> for DnsConfig {
    fn from(dns: wire::DnsConfig) -> Self {
        DnsConfig { nameservers: dns.servers, search: dns.searches, options: dns.options }
    }
}

fn ulimit(limit: model::Ulimit) -> Ulimit {
    let number = |limit: Option<u64>| limit.map_or(-1, |limit| i64::try_from(limit).unwrap_or(i64::MAX));
    Ulimit { name: limit.name().to_owned(), hard: number(limit.hard()), soft: number(limit.soft()) }
}

fn setting(text: &str) -> Option<(String, String)> {
    text.split_once('=').map(|(name, value)| (name.to_owned(), value.to_owned()))
}

fn is_zero(number: &i32) -> bool {
    *number == 0
}

/// A line of `/etc/hosts` as docker writes it, the address first.
fn host(line: &str) -> String {
    line.split_once(':').map_or_else(|| line.to_owned(), |(name, address)| format!("{address} {name}"))
}

/// Capabilities with the prefix docker writes.
pub fn capabilities(names: &[String]) -> Vec<String> {
    names.iter().map(|name| if name == "ALL" { name.clone() } else { format!("CAP_{name}") }).collect()
}
