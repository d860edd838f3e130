//! Reading a map key by key: what has the wrong form, or is not known, is noted with its place.

use crate::{
    node::{Map, Node, Value},
    place::{At, KeyPath, Place},
    report::Report,
};
use std::{cell::RefCell, collections::BTreeSet};

/// A map whose keys are being read.
pub struct Fields<'a> {
    map: &'a Map,
    /// Where the map stands.
    pub place: &'a Place,
    /// The keys that lead to it.
    pub path: KeyPath,
    /// Where problems are noted.
    pub report: &'a Report,
    known: RefCell<BTreeSet<&'static str>>,
}

impl<'a> Fields<'a> {
    /// The keys of a node, which is an error if it is no map. Nothing at all is a map without keys if that is allowed.
    pub fn of(node: &'a Node, path: KeyPath, report: &'a Report) -> Option<Self> {
        match &node.value {
            Value::Map(map) => {
                Some(Self { map, place: &node.place, path, report, known: RefCell::default() })
            }
            other => {
                report.error(
                    &node.place,
                    &path,
                    format!("this must be a map of keys with values, and is {}", other.kind()),
                );
                None
            }
        }
    }

    /// The path of a key.
    pub fn at(&self, key: &str) -> KeyPath {
        self.path.key(key)
    }

    /// The value of a key; nothing is as if it were not given.
    pub fn get(&self, key: &'static str) -> Option<&'a Node> {
        self.known.borrow_mut().insert(key);
        self.map.get(key).filter(|node| !node.is_null())
    }

    /// Notes that a value has the wrong form.
    pub fn wrong(&self, key: &str, node: &Node, expected: &str) {
        let kind = node.value.kind();
        let hint = match node.value {
            Value::Bool(_) | Value::Int(_) | Value::Float(_) if expected.contains("text") => {
                ": put it in quotes"
            }
            _ => "",
        };
        self.report.error(
            &node.place,
            &self.at(key),
            format!("this must be {expected}, and is {kind}{hint}"),
        );
    }

    fn read<T>(
        &self,
        key: &'static str,
        expected: &str,
        read: impl FnOnce(&'a Node) -> Option<T>,
    ) -> Option<At<T>> {
        let node = self.get(key)?;
        let value = read(node);
        if value.is_none() {
            self.wrong(key, node, expected);
        }
        Some(At { value: value?, place: node.place.clone(), path: self.at(key) })
    }

    /// A text.
    pub fn text(&self, key: &'static str) -> Option<At<String>> {
        self.read(key, "a text", |node| node.as_text().map(str::to_owned))
    }

    /// A text or a number, as a text.
    pub fn text_or_number(&self, key: &'static str) -> Option<At<String>> {
        self.read(key, "a text or a number", |node| match node.value {
            Value::Bool(_) => None,
            _ => node.scalar_text(),
        })
    }

    /// A whole number, which may be in quotes.
    pub fn number(&self, key: &'static str) -> Option<At<i128>> {
        self.read(key, "a whole number", |node| match &node.value {
            Value::Int(number) => Some(*number),
            Value::Float(number) if number.fract() == 0.0 && number.abs() < 1e15 => Some(*number as i128),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// A whole number of 32 bits.
    pub fn count(&self, key: &'static str) -> Option<At<u32>> {
        let number = self.number(key)?;
        let read = |number: &i128| {
            u32::try_from(*number).map_err(|_| format!("{number} is not a count: use 0 to {}", u32::MAX))
        };
        self.report.read(&number, read).map(|count| number.with(count))
    }

    /// A number.
    pub fn float(&self, key: &'static str) -> Option<At<f64>> {
        self.read(key, "a number", |node| match &node.value {
            Value::Int(number) => Some(*number as f64),
            Value::Float(number) => Some(*number),
            Value::Text(text) => text.trim().parse().ok(),
            _ => None,
        })
    }

    /// True or false, which may be in quotes.
    pub fn truth(&self, key: &'static str) -> Option<At<bool>> {
        self.read(key, "true or false", |node| match &node.value {
            Value::Bool(truth) => Some(*truth),
            Value::Text(text) => match text.to_ascii_lowercase().as_str() {
                "true" | "yes" | "y" | "on" | "1" => Some(true),
                "false" | "no" | "n" | "off" | "0" => Some(false),
                _ => None,
            },
            _ => None,
        })
    }

    /// A list of texts or numbers, as texts.
    pub fn texts(&self, key: &'static str) -> Vec<At<String>> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let Some(list) = node.as_list() else {
            self.wrong(key, node, "a list");
            return Vec::new();
        };
        let mut texts = Vec::new();
        for (nth, one) in list.iter().enumerate() {
            let path = self.at(key).nth(nth);
            match one.scalar_text() {
                Some(value) => texts.push(At { value, place: one.place.clone(), path }),
                None => {
                    let message = format!("this must be a text, and is {}", one.value.kind());
                    self.report.error(&one.place, &path, message);
                }
            }
        }
        texts
    }

    /// Names with values; nothing is an empty value.
    pub fn pairs(&self, key: &'static str) -> Vec<(String, At<String>)> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let Some(map) = node.as_map() else {
            self.wrong(key, node, "a map, or a list of NAME=VALUE");
            return Vec::new();
        };
        let mut pairs = Vec::new();
        for (name, one) in map.iter() {
            let path = self.at(key).key(&name.text);
            let value = if one.is_null() { Some(String::new()) } else { one.scalar_text() };
            match value {
                Some(value) => pairs.push((name.text.clone(), At { value, place: one.place.clone(), path })),
                None => {
                    let message = format!("this must be a text or a number, and is {}", one.value.kind());
                    self.report.error(&one.place, &path, message);
                }
            }
        }
        pairs
    }

    /// The keys of a key's value.
    pub fn fields(&self, key: &'static str) -> Option<Fields<'a>> {
        Fields::of(self.get(key)?, self.at(key), self.report)
    }

    /// The maps of a list.
    pub fn list(&self, key: &'static str) -> Vec<Fields<'a>> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let Some(list) = node.as_list() else {
            self.wrong(key, node, "a list");
            return Vec::new();
        };
        let path = self.at(key);
        let fields = |(nth, node)| Fields::of(node, path.nth(nth), self.report);
        // What had no form at all was said when its long form was sought.
        let is_open = |(_, node): &(usize, &Node)| !(node.is_null() && self.report.is_wrong_at(&node.place));
        list.iter().enumerate().filter(is_open).filter_map(fields).collect()
    }

    /// The named values of a key.
    pub fn entries(&self, key: &'static str) -> Vec<(At<String>, &'a Node)> {
        let Some(node) = self.get(key) else { return Vec::new() };
        let Some(map) = node.as_map() else {
            self.wrong(key, node, "a map");
            return Vec::new();
        };
        let entry = |(key_of, node): (&crate::Key, &'a Node)| {
            let path = self.at(key).key(&key_of.text);
            (At { value: key_of.text.clone(), place: key_of.place.clone(), path }, node)
        };
        map.iter().map(entry).collect()
    }

    /// Warns of keys that are known and not honoured.
    pub fn not_honoured(&self, keys: &[(&'static str, &str)]) {
        for (key, why) in keys {
            self.known.borrow_mut().insert(key);
            if let Some((key, node)) = self.map.entry(key)
                && !means_nothing(node)
            {
                self.report.warn(&key.place, &self.at(&key.text), format!("not honoured: {why}"));
            }
        }
    }

    /// Accepts keys that need no doing.
    pub fn accepted(&self, keys: &[&'static str]) {
        self.known.borrow_mut().extend(keys);
    }

    /// Notes every key that nobody asked for.
    pub fn finish(self) {
        let known = self.known.borrow();
        for (key, _) in self.map.iter() {
            if known.contains(key.text.as_str()) || key.text.starts_with("x-") {
                continue;
            }
            let near = known.iter().map(|known| (distance(known, &key.text), known)).min();
            let hint = match near {
                Some((far, near)) if far <= 2.min(key.text.len() / 3 + 1) => {
                    format!(": did you mean {near}?")
                }
                _ if self.path.as_str().is_empty() => ": keys of your own begin with x-".to_owned(),
                _ => format!(": the keys here are {}", known.iter().copied().collect::<Vec<_>>().join(", ")),
            };
            self.report.error(&key.place, &self.at(&key.text), format!("there is no such key{hint}"));
        }
    }
}

/// Whether leaving a key out would be the same.
fn means_nothing(node: &Node) -> bool {
    match &node.value {
        Value::Null | Value::Bool(false) => true,
        Value::List(list) => list.is_empty(),
        Value::Map(map) => map.is_empty(),
        Value::Bool(true) | Value::Int(_) | Value::Float(_) | Value::Text(_) => false,
    }
}

/// How many letters must be changed, added or taken out to make one word of the other.
fn distance(one: &str, other: &str) -> usize {
    let other: Vec<char> = other.chars().collect();
    let mut row: Vec<usize> = (0..=other.len()).collect();
    for (nth, a) in one.chars().enumerate() {
        let mut diagonal = row[0];
        row[0] = nth + 1;
        for (at, b) in other.iter().enumerate() {
            let changed = diagonal + usize::from(a != *b);
            diagonal = row[at + 1];
            row[at + 1] = changed.min(row[at] + 1).min(row[at + 1] + 1);
        }
    }
    row[other.len()]
}
