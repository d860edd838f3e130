//! A YAML file as a tree in which every node knows its place.

use crate::place::Place;
use std::fmt;

/// A value and where it stands.
#[derive(Debug, Clone)]
pub struct Node {
    /// What it is.
    pub value: Value,
    /// Where it stands.
    pub place: Place,
    /// How it is merged with the value of an earlier file, if not as usual.
    pub tag: Option<MergeTag>,
}

/// What a tag asks of the merge of several files.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MergeTag {
    /// `!reset`: the key is as if it had never been given.
    Reset,
    /// `!override`: the value takes the place of the earlier one instead of being merged with it.
    Override,
}

/// What a node is, after YAML's rules as docker applies them.
#[derive(Debug, Clone, PartialEq)]
pub enum Value {
    /// Nothing.
    Null,
    /// `true` or `false`.
    Bool(bool),
    /// A whole number, in the range of a signed or unsigned number of 64 bits.
    Int(i128),
    /// Any other number.
    Float(f64),
    /// A text.
    Text(String),
    /// A list.
    List(Vec<Node>),
    /// Keys with values.
    Map(Map),
}

/// Keys with values, in the order of the file.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Map(Vec<(Key, Node)>);

/// A key and where it stands.
#[derive(Debug, Clone)]
pub struct Key {
    /// The key.
    pub text: String,
    /// Where it stands.
    pub place: Place,
}

impl PartialEq for Key {
    fn eq(&self, other: &Self) -> bool {
        self.text == other.text
    }
}

impl PartialEq for Node {
    /// Whether they say the same, wherever they stand.
    fn eq(&self, other: &Self) -> bool {
        self.value == other.value
    }
}

impl Node {
    /// A node without a tag.
    pub fn new(value: Value, place: Place) -> Self {
        Self { value, place, tag: None }
    }

    /// A text at the place of another node.
    pub fn text(text: impl Into<String>, place: &Place) -> Self {
        Self::new(Value::Text(text.into()), place.clone())
    }

    /// Whether it is nothing.
    pub fn is_null(&self) -> bool {
        self.value == Value::Null
    }

    /// The map, if it is one.
    pub fn as_map(&self) -> Option<&Map> {
        if let Value::Map(map) = &self.value { Some(map) } else { None }
    }

    /// The map, if it is one.
    pub fn as_map_mut(&mut self) -> Option<&mut Map> {
        if let Value::Map(map) = &mut self.value { Some(map) } else { None }
    }

    /// The list, if it is one.
    pub fn as_list(&self) -> Option<&[Node]> {
        if let Value::List(list) = &self.value { Some(list) } else { None }
    }

    /// The text, if it is one.
    pub fn as_text(&self) -> Option<&str> {
        if let Value::Text(text) = &self.value { Some(text) } else { None }
    }

    /// A text, a number or a truth value as docker writes it in a text; `None` for anything else.
    pub fn scalar_text(&self) -> Option<String> {
        match &self.value {
            Value::Text(text) => Some(text.clone()),
            Value::Int(_) | Value::Float(_) | Value::Bool(_) => Some(self.value.to_string()),
            Value::Null | Value::List(_) | Value::Map(_) => None,
        }
    }
}

impl Value {
    /// What kind of value it is, in words.
    pub fn kind(&self) -> &'static str {
        match self {
            Value::Null => "nothing",
            Value::Bool(_) => "true or false",
            Value::Int(_) | Value::Float(_) => "a number",
            Value::Text(_) => "a text",
            Value::List(_) => "a list",
            Value::Map(_) => "a map",
        }
    }
}

impl fmt::Display for Value {
    /// Writes a scalar as docker does, with Go's `%v`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Value::Null => f.write_str("null"),
            Value::Bool(truth) => write!(f, "{truth}"),
            Value::Int(number) => write!(f, "{number}"),
            Value::Float(number) => f.write_str(&go_float(*number)),
            Value::Text(text) => f.write_str(text),
            Value::List(_) | Value::Map(_) => f.write_str(self.kind()),
        }
    }
}

/// The shortest digits that mean the number, with an exponent from a million on.
fn go_float(number: f64) -> String {
    if number.is_nan() {
        return "NaN".into();
    }
    if number.is_infinite() {
        return if number > 0.0 { "+Inf".into() } else { "-Inf".into() };
    }
    let scientific = format!("{number:e}");
    let (digits, exponent) = scientific.split_once('e').unwrap_or((&scientific, "0"));
    let exponent: i32 = exponent.parse().unwrap_or_default();
    // As strconv.FormatFloat decides with 'g' and the shortest form.
    if !(-4..6).contains(&exponent) {
        let sign = if exponent < 0 { '-' } else { '+' };
        return format!("{digits}e{sign}{:02}", exponent.abs());
    }
    format!("{number}")
}

impl Map {
    /// The value of a key.
    pub fn get(&self, key: &str) -> Option<&Node> {
        self.entry(key).map(|(_, node)| node)
    }

    /// A key, where it stands, and its value.
    pub fn entry(&self, key: &str) -> Option<(&Key, &Node)> {
        self.0.iter().find(|(known, _)| known.text == key).map(|(key, node)| (key, node))
    }

    /// The value of a key, to be changed.
    pub fn get_mut(&mut self, key: &str) -> Option<&mut Node> {
        self.0.iter_mut().find(|(known, _)| known.text == key).map(|(_, node)| node)
    }

    /// Sets a key; a known one keeps its place in the order.
    pub fn set(&mut self, key: Key, node: Node) {
        match self.0.iter_mut().find(|(known, _)| *known == key) {
            Some(entry) => *entry = (key, node),
            None => self.0.push((key, node)),
        }
    }

    /// Takes a key out.
    pub fn remove(&mut self, key: &str) -> Option<Node> {
        let nth = self.0.iter().position(|(known, _)| known.text == key)?;
        Some(self.0.remove(nth).1)
    }

    /// Takes the value of a key out and leaves nothing in its place, so that the key keeps its place in the order.
    pub fn remove_keeping_place(&mut self, key: &str) -> Option<Node> {
        let node = self.get_mut(key)?;
        let nothing = Node::new(Value::Null, node.place.clone());
        Some(std::mem::replace(node, nothing))
    }

    /// Keeps the keys for which this holds.
    pub fn retain(&mut self, keep: impl Fn(&str, &Node) -> bool) {
        self.0.retain(|(key, node)| keep(&key.text, node));
    }

    /// Whether it has no keys.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Every key with its value.
    pub fn iter(&self) -> impl Iterator<Item = (&Key, &Node)> {
        self.0.iter().map(|(key, node)| (key, node))
    }

    /// Every key with its value, to be changed.
    pub fn iter_mut(&mut self) -> impl Iterator<Item = (&Key, &mut Node)> {
        self.0.iter_mut().map(|(key, node)| (&*key, node))
    }
}

impl IntoIterator for Map {
    type Item = (Key, Node);
    type IntoIter = std::vec::IntoIter<(Key, Node)>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl FromIterator<(Key, Node)> for Map {
    fn from_iter<T: IntoIterator<Item = (Key, Node)>>(entries: T) -> Self {
        let mut map = Map::default();
        for (key, node) in entries {
            map.set(key, node);
        }
        map
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_written_as_docker_writes_them() {
        for (number, text) in [
            (1000.0, "1000"),
            (0.5, "0.5"),
            (1.0, "1"),
            (1000.5, "1000.5"),
            (1e20, "1e+20"),
            (1e6, "1e+06"),
            (1.5e-7, "1.5e-07"),
            (123456789012345678901.0, "1.2345678901234568e+20"),
            (0.0, "0"),
        ] {
            assert_eq!(Value::Float(number).to_string(), text);
        }
    }
}
