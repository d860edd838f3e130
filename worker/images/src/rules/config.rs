//! The config of an image: how its containers start, and which layers it is made of.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Deserializer};

use super::digest::DiffId;
use super::platform::Platform;

/// Says why an image's config cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum ConfigError {
    /// Not JSON, or not of the expected shape.
    #[error("the image config cannot be read")]
    Json(#[source] serde_json::Error),
}

/// Holds what an image says about running it.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct ImageConfig {
    /// When the image was built, RFC 3339, as its builder wrote it.
    pub created: Option<String>,
    /// Environment variables, `NAME=value`.
    pub env: Vec<String>,
    /// The command's fixed beginning.
    pub entrypoint: Vec<String>,
    /// The command's end, or default arguments.
    pub cmd: Vec<String>,
    /// User and optional group, by name or number; empty means root.
    pub user: String,
    /// The working directory; empty means `/`.
    pub working_dir: String,
    /// Ports with protocol, such as `80/tcp`.
    pub exposed_ports: BTreeSet<String>,
    /// Paths that want a volume of their own.
    pub volumes: BTreeSet<String>,
    /// The signal that asks a container to stop, by name or number.
    pub stop_signal: Option<String>,
    /// Labels of the image.
    pub labels: BTreeMap<String, String>,
    /// The health check as Docker writes it (`Test`, `Interval` in nanoseconds and so on).
    pub healthcheck: Option<serde_json::Value>,
}

/// Is a config with the parts that only the store needs.
#[derive(Debug, PartialEq)]
pub(crate) struct ParsedConfig {
    pub config: ImageConfig,
    pub platform: Platform,
    /// The lowest layer first.
    pub diff_ids: Vec<DiffId>,
}

#[derive(Deserialize)]
struct Wire {
    created: Option<String>,
    #[serde(default)]
    os: String,
    #[serde(default)]
    architecture: String,
    variant: Option<String>,
    #[serde(default, deserialize_with = "null_is_default")]
    config: WireRun,
    rootfs: WireRootfs,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "PascalCase", default)]
struct WireRun {
    #[serde(deserialize_with = "null_is_default")]
    env: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    entrypoint: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    cmd: Vec<String>,
    #[serde(deserialize_with = "null_is_default")]
    user: String,
    #[serde(deserialize_with = "null_is_default")]
    working_dir: String,
    #[serde(deserialize_with = "null_is_default")]
    exposed_ports: BTreeMap<String, serde::de::IgnoredAny>,
    #[serde(deserialize_with = "null_is_default")]
    volumes: BTreeMap<String, serde::de::IgnoredAny>,
    stop_signal: Option<String>,
    #[serde(deserialize_with = "null_is_default")]
    labels: BTreeMap<String, String>,
    healthcheck: Option<serde_json::Value>,
}

#[derive(Deserialize)]
struct WireRootfs {
    #[serde(default, deserialize_with = "null_is_default")]
    diff_ids: Vec<DiffId>,
}

/// Builders write `null` where they mean nothing at all.
fn null_is_default<'de, D: Deserializer<'de>, T: Deserialize<'de> + Default>(
    input: D,
) -> Result<T, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

/// Reads the config of an image.
pub(crate) fn parse(bytes: &[u8]) -> Result<ParsedConfig, ConfigError> {
    let wire: Wire = serde_json::from_slice(bytes).map_err(ConfigError::Json)?;
    let run = wire.config;
    let config = ImageConfig {
        created: wire.created,
        env: run.env,
        entrypoint: run.entrypoint,
        cmd: run.cmd,
        user: run.user,
        working_dir: run.working_dir,
        exposed_ports: run.exposed_ports.into_keys().collect(),
        volumes: run.volumes.into_keys().collect(),
        stop_signal: run.stop_signal,
        labels: run.labels,
        healthcheck: run.healthcheck,
    };
    let platform = Platform {
        os: wire.os,
        architecture: wire.architecture,
        variant: wire.variant.filter(|variant| !variant.is_empty()),
    };
    Ok(ParsedConfig { config, platform, diff_ids: wire.rootfs.diff_ids })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::digest::Digest;

    #[test]
    fn nulls_and_missing_fields_mean_nothing_at_all() {
        let bare = br#"{"rootfs": {"diff_ids": null}, "config": {"Env": null, "Volumes": null}}"#;
        let parsed = parse(bare).unwrap();
        assert_eq!(parsed.config, ImageConfig::default());
        assert!(parsed.diff_ids.is_empty());
    }

    #[test]
    fn everything_a_container_needs_is_read() {
        let diff_id = DiffId(Digest::of(b"layer"));
        let json = serde_json::json!({
            "created": "2026-01-02T03:04:05Z", "os": "linux", "architecture": "arm", "variant": "v7",
            "rootfs": { "type": "layers", "diff_ids": [diff_id] },
            "config": {
                "Env": ["A=1"], "Entrypoint": ["/e"], "Cmd": ["c"], "User": "1:2", "WorkingDir": "/w",
                "ExposedPorts": { "80/tcp": {} }, "Volumes": { "/v": {} }, "StopSignal": "SIGQUIT",
                "Labels": { "k": "v" }, "Healthcheck": { "Test": ["CMD", "x"], "Interval": 5 },
            },
        });
        let parsed = parse(json.to_string().as_bytes()).unwrap();
        assert_eq!(parsed.platform.to_string(), "linux/arm/v7");
        assert_eq!(parsed.diff_ids, [diff_id]);
        let expected = ImageConfig {
            created: Some("2026-01-02T03:04:05Z".to_owned()),
            env: vec!["A=1".to_owned()],
            entrypoint: vec!["/e".to_owned()],
            cmd: vec!["c".to_owned()],
            user: "1:2".to_owned(),
            working_dir: "/w".to_owned(),
            exposed_ports: ["80/tcp".to_owned()].into(),
            volumes: ["/v".to_owned()].into(),
            stop_signal: Some("SIGQUIT".to_owned()),
            labels: [("k".to_owned(), "v".to_owned())].into(),
            healthcheck: Some(serde_json::json!({ "Test": ["CMD", "x"], "Interval": 5 })),
        };
        assert_eq!(parsed.config, expected);
    }
}
