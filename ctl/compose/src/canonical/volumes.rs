//! `volumes` of a service: `[SOURCE:]TARGET[:OPTIONS]`.

use super::Home;
use crate::{
    node::{Key, Map, Node, Value},
    place::{KeyPath, Place},
    report::Report,
};

#[derive(Debug, thiserror::Error)]
enum VolumeError {
    #[error("`{0}` is not [SOURCE:]TARGET[:OPTIONS]: write such as data:/var/lib/data or ./conf:/etc/app:ro")]
    Form(String),
    #[error(
        "there is no option `{0}` of a volume: use ro, rw, z, Z, nocopy, or a propagation such as rshared"
    )]
    Option(String),
}

/// Writes every short volume out, and makes the paths of bind mounts absolute.
pub fn expand(service: &mut Map, path: &KeyPath, home: &Home, report: &Report) {
    let Some(Value::List(list)) = service.get_mut("volumes").map(|node| &mut node.value) else { return };
    for (nth, node) in list.iter_mut().enumerate() {
        match &mut node.value {
            Value::Text(text) => {
                let map = short(text, &node.place, home);
                // Nothing stays where the form is wrong, so that it is said once.
                node.value = report.take(&node.place, &path.nth(nth), map).map_or(Value::Null, Value::Map);
            }
            Value::Map(map) if map.get("type").and_then(Node::as_text) == Some("bind") => {
                super::path_of(map, "source", home);
            }
            _ => {}
        }
    }
}

fn short(text: &str, at: &Place, home: &Home) -> Result<Map, VolumeError> {
    let key = |text: &str| Key { text: text.to_owned(), place: at.clone() };
    let node = |value| Node::new(value, at.clone());
    let form = || VolumeError::Form(text.chars().take(80).collect());
    let parts: Vec<&str> = text.split(':').collect();
    let (source, target, options) = match parts[..] {
        [target] => (None, target, ""),
        [source, target] => (Some(source), target, ""),
        [source, target, options] => (Some(source), target, options),
        _ => return Err(form()),
    };
    if target.is_empty() || source == Some("") {
        return Err(form());
    }
    let is_path = |source: &&str| source.starts_with(['/', '.', '~']);
    let mut map = Map::default();
    let kind = if source.as_ref().is_some_and(is_path) { "bind" } else { "volume" };
    map.set(key("type"), Node::text(kind, at));
    if let Some(source) = source {
        let source = if kind == "bind" { home.path(source) } else { source.to_owned() };
        map.set(key("source"), Node::text(source, at));
    }
    map.set(key("target"), Node::text(target, at));
    for option in options.split(',').filter(|option| !option.is_empty()) {
        match option {
            "ro" => map.set(key("read_only"), node(Value::Bool(true))),
            "rw" | "cached" | "delegated" | "consistent" => {}
            "z" | "Z" => put_in(&mut map, "bind", "selinux", Node::text(option, at), at),
            "nocopy" => put_in(&mut map, "volume", "nocopy", node(Value::Bool(true)), at),
            "private" | "rprivate" | "shared" | "rshared" | "slave" | "rslave" => {
                put_in(&mut map, "bind", "propagation", Node::text(option, at), at);
            }
            other => return Err(VolumeError::Option(other.to_owned())),
        }
    }
    Ok(map)
}

/// Sets a key of a map within the map.
fn put_in(map: &mut Map, outer: &str, inner: &str, value: Node, at: &Place) {
    let key = |text: &str| Key { text: text.to_owned(), place: at.clone() };
    if map.get(outer).is_none() {
        map.set(key(outer), Node::new(Value::Map(Map::default()), at.clone()));
    }
    if let Some(options) = map.get_mut(outer).and_then(Node::as_map_mut) {
        options.set(key(inner), value);
    }
}
