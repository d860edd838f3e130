//! The long form of everything that has a short one, so that files can be merged key by key.
//!
//! What has a wrong form altogether is left as it is: reading it later says so.

mod ports;
mod volumes;

use crate::{
    files::join,
    node::{Key, Map, Node, Value},
    place::{KeyPath, Place},
    report::Report,
};

/// What relative paths are relative to.
pub struct Home<'a> {
    /// The folder of the project.
    pub dir: &'a str,
    /// The user's home, which `~` stands for.
    pub user: Option<&'a str>,
}

impl Home<'_> {
    /// The path as it is from anywhere.
    pub fn path(&self, path: &str) -> String {
        match (path.strip_prefix('~'), self.user) {
            (Some(rest), Some(user)) if rest.is_empty() || rest.starts_with('/') => {
                join(user, &format!(".{rest}"))
            }
            _ => join(self.dir, path),
        }
    }
}

/// Brings a file into its long form.
pub fn file(root: &mut Node, home: &Home, report: &Report) {
    let Some(root) = root.as_map_mut() else { return };
    for (kind, one) in [("services", service as Section), ("networks", network), ("volumes", volume)] {
        each(root, kind, |path, node| one(node, path, home, report));
    }
    for kind in ["secrets", "configs"] {
        each(root, kind, |_, node| {
            if let Some(map) = node.as_map_mut() {
                pairs(map, "labels");
                path_of(map, "file", home);
            }
        });
    }
}

type Section = fn(&mut Node, &KeyPath, &Home, &Report);

fn each(root: &mut Map, kind: &str, mut change: impl FnMut(&KeyPath, &mut Node)) {
    let path = KeyPath::root().key(kind);
    if let Some(objects) = root.get_mut(kind).and_then(Node::as_map_mut) {
        for (key, node) in objects.iter_mut() {
            change(&path.key(&key.text), node);
        }
    }
}

/// The keys of a service that are maps and may be written as lists of `KEY=VALUE`.
const PAIRS: [&str; 5] = ["environment", "labels", "sysctls", "annotations", "extra_hosts"];
/// The keys of a service that are lists and may be written as one text.
const LISTS: [&str; 6] = ["dns", "dns_search", "dns_opt", "tmpfs", "env_file", "label_file"];

fn service(node: &mut Node, path: &KeyPath, home: &Home, report: &Report) {
    let Some(service) = node.as_map_mut() else { return };
    for key in PAIRS {
        pairs(service, key);
    }
    for key in LISTS {
        list(service, key);
    }
    if let Some(deploy) = service.get_mut("deploy").and_then(Node::as_map_mut) {
        pairs(deploy, "labels");
    }
    if let Some(test) =
        service.get_mut("healthcheck").and_then(Node::as_map_mut).and_then(|map| map.get_mut("test"))
        && let Value::Text(text) = &test.value
    {
        let words = [Node::text("CMD-SHELL", &test.place), Node::text(text, &test.place)];
        test.value = Value::List(words.into());
    }
    names_to_map(service, "networks", |_| Value::Null);
    names_to_map(service, "depends_on", |place| {
        let key = |text: &str| Key { text: text.into(), place: place.clone() };
        let started = (key("condition"), Node::text("service_started", place));
        let required = (key("required"), Node::new(Value::Bool(true), place.clone()));
        Value::Map([started, required].into_iter().collect())
    });
    for (key, name) in
        [("secrets", "source"), ("configs", "source"), ("env_file", "path"), ("label_file", "path")]
    {
        texts_to_maps(service, key, name);
    }
    for key in ["env_file", "label_file"] {
        for one in service.get_mut(key).and_then(list_mut).into_iter().flatten() {
            if let Some(map) = one.as_map_mut() {
                path_of(map, "path", home);
            }
        }
    }
    for (key, name) in [("build", "context"), ("extends", "service"), ("credential_spec", "file")] {
        text_to_map(service, key, name);
    }
    if let Some(build) = service.get_mut("build").and_then(Node::as_map_mut) {
        ["args", "labels"].into_iter().for_each(|key| pairs(build, key));
        if build.get("context").and_then(Node::as_text).is_some_and(|context| !context.contains("://")) {
            path_of(build, "context", home);
        }
    }
    ports::expand(service, &path.key("ports"), report);
    volumes::expand(service, &path.key("volumes"), home, report);
}

fn network(node: &mut Node, _: &KeyPath, _: &Home, _: &Report) {
    if let Some(map) = node.as_map_mut() {
        ["labels", "driver_opts"].into_iter().for_each(|key| pairs(map, key));
    }
}

fn volume(node: &mut Node, path: &KeyPath, home: &Home, report: &Report) {
    network(node, path, home, report);
}

fn list_mut(node: &mut Node) -> Option<&mut Vec<Node>> {
    if let Value::List(list) = &mut node.value { Some(list) } else { None }
}

/// `[A=1, B]` as `{A: 1, B: }`; the names of `extra_hosts` may end with a colon too.
fn pairs(map: &mut Map, key: &str) {
    let Some(node) = map.get_mut(key) else { return };
    let Value::List(list) = &node.value else { return };
    let separators: &[char] = if key == "extra_hosts" { &['=', ':'] } else { &['='] };
    let mut found: Vec<(Key, Node)> = Vec::new();
    for one in list {
        let Some(text) = one.scalar_text() else { return };
        let (name, value) = match text.split_once(separators) {
            // An IPv6 address may be in brackets.
            Some((name, value)) if key == "extra_hosts" => {
                (name.trim(), Value::Text(value.trim_matches(['[', ']']).to_owned()))
            }
            Some((name, value)) => (name.trim(), Value::Text(value.to_owned())),
            None => (text.trim(), Value::Null),
        };
        let key = Key { text: name.to_owned(), place: one.place.clone() };
        found.push((key, Node::new(value, one.place.clone())));
    }
    // A host may have several addresses: as a map, they are a list.
    let mut map = Map::default();
    for (name, value) in found {
        match map.get_mut(&name.text) {
            Some(known) if key == "extra_hosts" => {
                let before = std::mem::replace(&mut known.value, Value::Null);
                let mut addresses = match before {
                    Value::List(list) => list,
                    other => vec![Node::new(other, known.place.clone())],
                };
                addresses.push(value);
                known.value = Value::List(addresses);
            }
            _ => map.set(name, value),
        }
    }
    node.value = Value::Map(map);
}

/// A text as a list of one.
fn list(map: &mut Map, key: &str) {
    let Some(node) = map.get_mut(key) else { return };
    if matches!(node.value, Value::Text(_)) || key == "env_file" && matches!(node.value, Value::Map(_)) {
        let place = node.place.clone();
        let value = std::mem::replace(&mut node.value, Value::Null);
        node.value = Value::List(vec![Node::new(value, place)]);
    }
}

/// A list of names as a map with the same value for each.
fn names_to_map(map: &mut Map, key: &str, value: impl Fn(&Place) -> Value) {
    let Some(node) = map.get_mut(key) else { return };
    let Value::List(list) = &node.value else { return };
    let entry = |one: &Node| {
        let key = Key { text: one.as_text()?.to_owned(), place: one.place.clone() };
        Some((key, Node::new(value(&one.place), one.place.clone())))
    };
    if let Some(entries) = list.iter().map(entry).collect::<Option<Map>>() {
        node.value = Value::Map(entries);
    }
}

/// Each text of a list as a map with one key.
fn texts_to_maps(map: &mut Map, key: &str, name: &str) {
    for one in map.get_mut(key).and_then(list_mut).into_iter().flatten() {
        to_map(one, name);
    }
}

/// A text as a map with one key.
fn text_to_map(map: &mut Map, key: &str, name: &str) {
    if let Some(node) = map.get_mut(key) {
        to_map(node, name);
    }
}

fn to_map(node: &mut Node, name: &str) {
    if let Value::Text(text) = &node.value {
        let key = Key { text: name.to_owned(), place: node.place.clone() };
        let value = Node::text(text, &node.place);
        node.value = Value::Map([(key, value)].into_iter().collect());
    }
}

fn path_of(map: &mut Map, key: &str, home: &Home) {
    if let Some(node) = map.get_mut(key)
        && let Value::Text(path) = &node.value
        && !path.is_empty()
    {
        node.value = Value::Text(home.path(path));
    }
}
