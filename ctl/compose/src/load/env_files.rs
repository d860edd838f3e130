//! `env_file` and `label_file`: files whose variables become a service's, and variables passed on from the caller.

use super::{Loader, Scope};
use crate::{
    dotenv,
    node::{Key, Map, Node, Value},
    place::KeyPath,
};

impl Loader<'_> {
    /// Reads the files that services name. What a service says itself counts more. Variables without a value have the
    /// caller's, or are left out.
    pub(super) fn fill_environments(&self, tree: &mut Node, scope: &Scope) {
        let Some(services) =
            tree.as_map_mut().and_then(|root| root.get_mut("services")).and_then(Node::as_map_mut)
        else {
            return;
        };
        for (key, node) in services.iter_mut() {
            let path = KeyPath::root().key("services").key(&key.text);
            let Some(service) = node.as_map_mut() else { continue };
            for (files, of) in [("env_file", "environment"), ("label_file", "labels")] {
                self.add_files(service, files, of, &path, scope);
            }
            if let Some(environment) = service.get_mut("environment").and_then(Node::as_map_mut) {
                for (key, node) in environment.iter_mut() {
                    if node.is_null()
                        && let Some(value) = scope.variables.get(&key.text)
                    {
                        node.value = Value::Text(value);
                    }
                }
                environment.retain(|_, node| !node.is_null());
            }
        }
    }

    fn add_files(&self, service: &mut Map, files: &str, of: &str, path: &KeyPath, scope: &Scope) {
        // A list of something else is left to whoever reads it.
        let is_list =
            |node: &Node| node.as_list().is_some_and(|list| list.iter().all(|one| one.as_map().is_some()));
        if !service.get(files).is_some_and(is_list) {
            return;
        }
        let Some(node) = service.remove(files) else { return };
        let mut values = Map::default();
        for (nth, one) in node.as_list().into_iter().flatten().enumerate() {
            let at = path.key(files).nth(nth);
            for (name, value) in self.env_file(one, &at, scope) {
                values.set(Key { text: name, place: one.place.clone() }, Node::text(value, &one.place));
            }
        }
        let place = node.place;
        match service.get_mut(of) {
            Some(Node { value: Value::Map(own), .. }) => {
                for (key, node) in std::mem::take(own) {
                    values.set(key, node);
                }
                *own = values;
            }
            // Something else is an error of its own.
            Some(node) if !node.is_null() => {}
            _ => service
                .set(Key { text: of.to_owned(), place: place.clone() }, Node::new(Value::Map(values), place)),
        }
    }

    fn env_file(&self, node: &Node, at: &KeyPath, scope: &Scope) -> Vec<(String, String)> {
        let Some(map) = node.as_map() else { return Vec::new() };
        for (key, _) in
            map.iter().filter(|(key, _)| !matches!(key.text.as_str(), "path" | "required" | "format"))
        {
            self.report.error(
                &key.place,
                &at.key(&key.text),
                "there is no such key: use path, required and format",
            );
        }
        let Some(path) = map.get("path").and_then(Node::as_text) else {
            self.report.error(&node.place, at, "no file is named: write path: FILE");
            return Vec::new();
        };
        let is_optional = map
            .get("required")
            .is_some_and(|node| node.value == Value::Bool(false) || node.as_text() == Some("false"));
        let text = match self.files.read(path) {
            Ok(bytes) => String::from_utf8(bytes).map_err(|_| format!("{path} is not a text in UTF-8")),
            Err(error) if is_optional && error.kind() == std::io::ErrorKind::NotFound => return Vec::new(),
            Err(error) => {
                Err(format!("cannot read {path}: {error}; if it may be missing, write required: false"))
            }
        };
        let Some(text) = self.report.take(&node.place, at, text) else { return Vec::new() };
        let outer = |name: &str| scope.variables.get(name);
        match map.get("format").and_then(Node::as_text) {
            None => dotenv::parse(path, &text, &outer, self.report),
            Some("raw") => dotenv::parse_raw(&text, &outer),
            Some(other) => {
                let message = format!("format `{other}` is not known: use raw, or leave it out");
                self.report.error(&node.place, &at.key("format"), message);
                Vec::new()
            }
        }
    }
}
