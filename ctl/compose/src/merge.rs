//! Merging files by the rules of Compose: maps key by key, lists one after the other, anything else replaced.

use crate::{
    node::{Map, MergeTag, Node, Value},
    place::KeyPath,
    report::Report,
};

/// Merges a later file, or a service that extends another one, over what came first.
pub fn merge(first: Node, over: Node, report: &Report) -> Node {
    merge_at(first, over, &mut Vec::new(), report)
}

/// Merges a service over another one.
pub fn merge_service(first: Node, over: Node, report: &Report) -> Node {
    merge_at(first, over, &mut vec!["services".into(), "*".into()], report)
}

/// Takes out what was reset.
pub fn without_reset(node: &mut Node) {
    match &mut node.value {
        Value::Map(map) => {
            map.retain(|_, node| node.tag != Some(MergeTag::Reset));
            map.iter_mut().for_each(|(_, node)| without_reset(node));
        }
        Value::List(list) => {
            list.retain(|node| node.tag != Some(MergeTag::Reset));
            list.iter_mut().for_each(without_reset);
        }
        _ => {}
    }
}

/// How two values of one key become one.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Rule {
    /// By what they are.
    Usual,
    /// The later one counts, though it may be nothing.
    Replace,
    /// Options of another driver mean nothing to this one.
    Logging,
}

fn rule(path: &[String]) -> Rule {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    match path[..] {
        ["services", _, "command" | "entrypoint"]
        | ["services", _, "healthcheck", "test"]
        | ["services", _, "ulimits", _]
        | ["services", _, "environment" | "labels" | "annotations", _]
        | ["services", _, "build", "args" | "labels", _] => Rule::Replace,
        ["services", _, "logging"] => Rule::Logging,
        _ => Rule::Usual,
    }
}

fn merge_at(first: Node, over: Node, path: &mut Vec<String>, report: &Report) -> Node {
    match (first.tag, over.tag) {
        (_, Some(MergeTag::Reset)) => return over,
        (_, Some(MergeTag::Override)) => return Node { tag: None, ..over },
        (Some(MergeTag::Reset), None) => return over,
        (_, None) => {}
    }
    let rule = rule(path);
    let other_driver = |first: &Map, over: &Map| match (first.get("driver"), over.get("driver")) {
        (Some(first), Some(over)) => first != over,
        _ => false,
    };
    match (first.value, over.value) {
        (_, value) if rule == Rule::Replace => Node { value, ..over },
        (value, Value::Null) => Node { value, place: first.place, tag: first.tag },
        (Value::Null, value) => Node { value, ..over },
        (Value::Map(first), Value::Map(over_map)) => {
            if rule == Rule::Logging && other_driver(&first, &over_map) {
                return Node::new(Value::Map(over_map), over.place);
            }
            Node::new(Value::Map(merge_maps(first, over_map, path, report)), over.place)
        }
        (Value::List(mut list), Value::List(more)) => {
            for one in more {
                let identity = identity(path, &one);
                match list.iter_mut().find(|known| self::identity(path, known) == identity) {
                    Some(known) => *known = one,
                    None => list.push(one),
                }
            }
            Node::new(Value::List(list), over.place)
        }
        (first_value, value) if is_scalar(&first_value) && is_scalar(&value) => Node { value, ..over },
        (first_value, value) => {
            let key_path = path.iter().fold(KeyPath::root(), |path, key| path.key(key));
            let message = format!(
                "this is {} and can't be merged with what {} has there, {}: write both in the same form, or put !override before it",
                value.kind(),
                first.place,
                first_value.kind()
            );
            report.error(&over.place, &key_path, message);
            Node { value, ..over }
        }
    }
}

fn is_scalar(value: &Value) -> bool {
    !matches!(value, Value::List(_) | Value::Map(_))
}

fn merge_maps(mut first: Map, over: Map, path: &mut Vec<String>, report: &Report) -> Map {
    for (key, node) in over {
        path.push(key.text.clone());
        let merged = match first.remove_keeping_place(&key.text) {
            Some(known) => merge_at(known, node, path, report),
            None => Node { tag: node.tag.filter(|tag| *tag == MergeTag::Reset), ..node },
        };
        path.pop();
        first.set(key, merged);
    }
    first
}

/// What makes an element of a list the same as one of an earlier file, which it then replaces.
fn identity(path: &[String], node: &Node) -> Vec<Option<Value>> {
    let path: Vec<&str> = path.iter().map(String::as_str).collect();
    let map = node.as_map();
    let of = |key: &str| map.and_then(|map| map.get(key)).map(|node| node.value.clone());
    match (&path[..], map) {
        (["services", _, "ports"], Some(_)) => {
            let published = of("published").map(|value| Value::Text(value.to_string()));
            let or = |value: Option<Value>, word: &str| value.or(Some(Value::Text(word.into())));
            vec![of("host_ip"), of("target"), published, or(of("protocol"), "tcp"), or(of("mode"), "ingress")]
        }
        (["services", _, "volumes"], Some(_)) => vec![of("target")],
        (["services", _, "secrets" | "configs"], Some(_)) => vec![of("target").or_else(|| of("source"))],
        (["services", _, "env_file" | "label_file"], Some(_)) => vec![of("path")],
        (["networks", _, "ipam", "config"], Some(_)) => vec![of("subnet")],
        _ => vec![Some(node.value.clone())],
    }
}
