//! What a service names: ports, other services, secrets and configs.

use crate::{fields::Fields, place::At};

/// A published port.
#[derive(Debug, Clone, PartialEq)]
pub struct Port {
    /// Where it stands.
    pub at: At<()>,
    /// The port of the container.
    pub target: At<String>,
    /// The port of the nodes.
    pub published: Option<At<String>>,
    /// `tcp`, `udp` or `sctp`.
    pub protocol: Option<At<String>>,
    /// `ingress` or `host`.
    pub mode: Option<At<String>>,
    /// The address of the nodes.
    pub host_ip: Option<At<String>>,
}

/// A service that is to be there first.
#[derive(Debug, Clone, PartialEq)]
pub struct Dependency {
    /// Its key.
    pub service: At<String>,
    /// How far it must be.
    pub condition: Condition,
    /// Whether it must be part of the project at all.
    pub required: bool,
    /// Whether a change of it restarts this one.
    pub restart: bool,
}

/// How far a service must be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Condition {
    /// Its tasks run.
    Started,
    /// Its tasks are healthy.
    Healthy,
    /// Its tasks have done their work.
    CompletedSuccessfully,
}

/// A secret or config that a service sees as a file.
#[derive(Debug, Clone, PartialEq)]
pub struct FileReference {
    /// Its key.
    pub source: At<String>,
    /// The file's path or name.
    pub target: Option<At<String>>,
    /// The file's owner.
    pub uid: Option<At<String>>,
    /// The file's group.
    pub gid: Option<At<String>>,
    /// The file's mode.
    pub mode: Option<At<u32>>,
}

pub(super) fn ports(service: &Fields) -> Vec<Port> {
    let port = |fields: Fields| {
        let at = At { value: (), place: fields.place.clone(), path: fields.path.clone() };
        let target = fields.text_or_number("target");
        if target.is_none() {
            fields.report.error(
                fields.place,
                &fields.path,
                "nothing says which port of the container is meant: add target: PORT",
            );
        }
        let port = (
            fields.text_or_number("published"),
            fields.text("protocol"),
            fields.text("mode"),
            fields.text("host_ip"),
        );
        fields.accepted(&["name", "app_protocol"]);
        fields.finish();
        let (published, protocol, mode, host_ip) = port;
        Some(Port { at, target: target?, published, protocol, mode, host_ip })
    };
    service.list("ports").into_iter().filter_map(port).collect()
}

pub(super) fn dependencies(service: &Fields) -> Vec<Dependency> {
    let entries = service.entries("depends_on").into_iter();
    entries
        .filter_map(|(name, node)| {
            let fields = Fields::of(node, name.path.clone(), service.report)?;
            let condition = match fields.text("condition") {
                None => Condition::Started,
                Some(word) => match word.as_str() {
                    "service_started" => Condition::Started,
                    "service_healthy" => Condition::Healthy,
                    "service_completed_successfully" => Condition::CompletedSuccessfully,
                    other => {
                        let message = format!("condition `{other}` is not known: use service_started, service_healthy or service_completed_successfully");
                        service.report.error(&word.place, &word.path, message);
                        Condition::Started
                    }
                },
            };
            let is = |key, default| fields.truth(key).map_or(default, |truth| truth.value);
            let dependency =
                Dependency { condition, required: is("required", true), restart: is("restart", false), service: name };
            fields.finish();
            Some(dependency)
        })
        .collect()
}

pub(super) fn files(service: &Fields, key: &'static str) -> Vec<FileReference> {
    let reference = |fields: Fields| {
        let source = fields.text("source");
        if source.is_none() {
            fields.report.error(
                fields.place,
                &fields.path,
                "nothing says which one is meant: add source: NAME",
            );
        }
        let (target, mode) = (fields.text("target"), mode(&fields));
        let (uid, gid) = (fields.text_or_number("uid"), fields.text_or_number("gid"));
        fields.finish();
        Some(FileReference { source: source?, target, uid, gid, mode })
    };
    service.list(key).into_iter().filter_map(reference).collect()
}

/// A mode is a number, which YAML reads as octal with a leading zero; in quotes it is octal anyway.
fn mode(fields: &Fields) -> Option<At<u32>> {
    match fields.get("mode") {
        Some(node) if node.as_text().is_some() => {
            let text = fields.text("mode")?;
            let read = |text: &String| {
                let digits = text.trim_start_matches("0o");
                u32::from_str_radix(digits, 8)
                    .map_err(|_| format!("`{text}` is not a mode: write octal digits, such as 0440"))
            };
            fields.report.read(&text, read).map(|mode| text.with(mode))
        }
        _ => fields.count("mode"),
    }
}
