//! The whole project.

use super::{Network, Service};
use crate::{
    fields::Fields,
    node::Node,
    place::{At, KeyPath},
    report::Report,
};
use std::collections::BTreeMap;

/// Everything that the files of a project ask for.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Project {
    /// The name it gives itself.
    pub name: Option<At<String>>,
    /// What is to run.
    pub services: BTreeMap<String, Service>,
    /// The networks that services name.
    pub networks: BTreeMap<String, Network>,
    /// The volumes that services name.
    pub volumes: BTreeMap<String, Volume>,
    /// What only the services that name it may know.
    pub secrets: BTreeMap<String, FileObject>,
    /// Files that services name.
    pub configs: BTreeMap<String, FileObject>,
}

/// A volume.
#[derive(Debug, Clone, PartialEq)]
pub struct Volume {
    /// Its key, where it stands.
    pub key: At<String>,
    /// Its name in the cluster, if it is not made of the project's.
    pub name: Option<At<String>>,
    /// Whether it is there already.
    pub external: bool,
    /// Who makes it.
    pub driver: Option<At<String>>,
    /// Options for whoever makes it.
    pub driver_opts: Vec<(String, At<String>)>,
    /// Its labels.
    pub labels: Vec<(String, At<String>)>,
}

/// A secret or a config.
#[derive(Debug, Clone, PartialEq)]
pub struct FileObject {
    /// Its key, where it stands.
    pub key: At<String>,
    /// Its name in the cluster, if it is not made of the project's.
    pub name: Option<At<String>>,
    /// Whether it is there already.
    pub external: bool,
    /// The file that has its content.
    pub file: Option<At<String>>,
    /// The variable of the caller that has its content.
    pub environment: Option<At<String>>,
    /// Its content; configs only.
    pub content: Option<At<String>>,
    /// What is filled in on the node.
    pub template_driver: Option<At<String>>,
    /// Its labels.
    pub labels: Vec<(String, At<String>)>,
}

impl Project {
    /// Reads the tree that [`crate::load`] has put together.
    pub fn read(tree: &Node, report: &Report) -> Project {
        let Some(root) = Fields::of(tree, KeyPath::root(), report) else { return Project::default() };
        root.accepted(&["version"]);
        root.not_honoured(&[("models", "models are not run by the cluster")]);
        let project = Project {
            name: root.text("name"),
            services: objects(&root, "services", |key, node| Service::read(key, node, report)),
            networks: objects(&root, "networks", |key, node| Network::read(key, node, report)),
            volumes: objects(&root, "volumes", |key, node| volume(key, node, report)),
            secrets: objects(&root, "secrets", |key, node| file_object(key, node, report)),
            configs: objects(&root, "configs", |key, node| file_object(key, node, report)),
        };
        root.finish();
        if project.services.is_empty() && !report.has_errors() {
            report.error(&tree.place, &KeyPath::root(), "there are no services: add them below services:");
        }
        project
    }
}

fn objects<T>(
    root: &Fields,
    kind: &'static str,
    read: impl Fn(At<String>, &Node) -> Option<T>,
) -> BTreeMap<String, T> {
    let entries = root.entries(kind).into_iter();
    entries.filter_map(|(key, node)| Some((key.value.clone(), read(key, node)?))).collect()
}

/// Whether an object is there already. `external: {name: X}` is the old form of `external: true` and `name: X`.
pub(super) fn external(fields: &Fields, name: &mut Option<At<String>>) -> bool {
    match fields.get("external") {
        Some(node) if node.as_map().is_some() => {
            if let Some(old) = fields.fields("external") {
                *name = old.text("name").or(name.take());
                old.finish();
            }
            true
        }
        Some(_) => fields.truth("external").is_some_and(|external| external.value),
        None => false,
    }
}

fn volume(key: At<String>, node: &Node, report: &Report) -> Option<Volume> {
    if node.is_null() {
        return Some(Volume {
            key,
            name: None,
            external: false,
            driver: None,
            driver_opts: vec![],
            labels: vec![],
        });
    }
    let fields = Fields::of(node, key.path.clone(), report)?;
    let mut name = fields.text("name");
    let external = external(&fields, &mut name);
    let volume = Volume {
        key,
        name,
        external,
        driver: fields.text("driver"),
        driver_opts: fields.pairs("driver_opts"),
        labels: fields.pairs("labels"),
    };
    fields.finish();
    Some(volume)
}

fn file_object(key: At<String>, node: &Node, report: &Report) -> Option<FileObject> {
    let fields = Fields::of(node, key.path.clone(), report)?;
    let mut name = fields.text("name");
    let external = external(&fields, &mut name);
    let object = FileObject {
        name,
        external,
        file: fields.text("file"),
        environment: fields.text("environment"),
        content: fields.text("content"),
        template_driver: fields.text("template_driver"),
        labels: fields.pairs("labels"),
        key,
    };
    fields.not_honoured(&[
        ("driver", "no driver but the cluster's own"),
        ("driver_opts", "no driver but the cluster's own"),
    ]);
    let sources = [&object.file, &object.environment, &object.content];
    match (object.external, sources.into_iter().flatten().count()) {
        (true, 0) | (false, 1) => {}
        (true, _) => report.error(
            &object.key.place,
            &object.key.path,
            "an external one has its content already: leave file, environment and content out",
        ),
        (false, 0) => report.error(
            &object.key.place,
            &object.key.path,
            "nothing says what is in it: add one of file, environment and content, or external: true",
        ),
        (false, _) => report.error(
            &object.key.place,
            &object.key.path,
            "several keys say what is in it: leave one of file, environment and content",
        ),
    }
    fields.finish();
    Some(object)
}
