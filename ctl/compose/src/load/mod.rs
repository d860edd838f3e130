//! Reading a project: files, what they include and extend, and variables, all put together in one tree.

mod env_files;
mod extends;
mod include;

use crate::{
    canonical::{self, Home},
    dotenv,
    files::{Files, join, parent},
    interpolate,
    merge::{merge, without_reset},
    node::{Node, Value},
    place::{KeyPath, Place},
    report::Report,
    variables::Variables,
    yaml,
};
use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
};

/// What a project is read from.
pub struct Source<'a> {
    /// The files to merge, in this order.
    pub paths: &'a [String],
    /// The folder that paths in the files are relative to; without one, that of the first file.
    pub directory: Option<&'a str>,
    /// Files of variables instead of `.env`.
    pub env_files: &'a [String],
    /// Reads files.
    pub files: &'a dyn Files,
    /// The caller's environment.
    pub variable: &'a dyn Fn(&str) -> Option<String>,
}

/// Reads the project into one tree in its long form, without `include`, `extends` and `env_file`. `None` if not even a
/// tree came of it.
pub fn load(source: &Source, report: &Report) -> Option<Node> {
    let first = source.paths.first()?;
    let directory = source.directory.map_or_else(|| parent(first), str::to_owned);
    let loader = Loader { files: source.files, report, unset: RefCell::default() };
    let place = Place::start_of(first);
    let own = loader.variables(source.env_files, &directory, &place, source.variable);
    let variables = Variables { outer: source.variable, own };
    let scope = Scope { directory: &directory, variables: &variables };
    let mut tree = loader.project(source.paths, &place, &scope, &mut Vec::new())?;
    loader.fill_environments(&mut tree, &scope);
    Some(tree)
}

/// What stays the same over all files.
struct Loader<'a> {
    files: &'a dyn Files,
    report: &'a Report,
    /// Variables that were warned of already.
    unset: RefCell<BTreeSet<String>>,
}

/// What a file's paths and variables mean.
struct Scope<'a> {
    directory: &'a str,
    variables: &'a Variables<'a>,
}

/// The files that lead to one, so that none includes itself.
type Chain = Vec<String>;

impl Loader<'_> {
    /// The variables of `.env`, or of the files given instead.
    fn variables(
        &self,
        env_files: &[String],
        directory: &str,
        place: &Place,
        outer: &dyn Fn(&str) -> Option<String>,
    ) -> BTreeMap<String, String> {
        if env_files.is_empty() {
            let path = join(directory, ".env");
            let text = self.files.read(&path).ok().and_then(|bytes| String::from_utf8(bytes).ok());
            return text
                .map(|text| dotenv::parse(&path, &text, outer, self.report))
                .into_iter()
                .flatten()
                .collect();
        }
        let mut all = BTreeMap::new();
        for path in env_files {
            if let Some(text) = self.text(path, place, &KeyPath::root()) {
                let known = |name: &str| outer(name).or_else(|| all.get(name).cloned());
                let more = dotenv::parse(path, &text, &known, self.report);
                all.extend(more);
            }
        }
        all
    }

    fn text(&self, path: &str, place: &Place, at: &KeyPath) -> Option<String> {
        let read = self.files.read(path).map_err(|error| format!("cannot read {path}: {error}"));
        let bytes = self.report.take(place, at, read)?;
        let text = String::from_utf8(bytes).map_err(|_| format!("{path} is not a text in UTF-8"));
        self.report.take(place, at, text)
    }

    /// Several files as one tree.
    fn project(&self, paths: &[String], place: &Place, scope: &Scope, chain: &mut Chain) -> Option<Node> {
        let mut merged: Option<Node> = None;
        for path in paths {
            if chain.contains(path) {
                let message = format!("{path} includes itself, by way of {}", chain.join(", "));
                self.report.error(place, &KeyPath::root(), message);
                continue;
            }
            chain.push(path.clone());
            for document in self.file(path, place, scope) {
                let included = self.include(&document, scope, chain);
                let extended = self.extend(document, path, scope);
                merged = Some(match merged {
                    Some(first) => merge(first, extended, self.report),
                    None => extended,
                });
                if let (Some(into), Some(included)) = (&mut merged, included) {
                    self.take_in(into, included);
                }
            }
            chain.pop();
        }
        let mut merged = merged?;
        without_reset(&mut merged);
        if let Some(root) = merged.as_map_mut() {
            root.remove("include");
        }
        Some(merged)
    }

    /// The documents of one file, filled in and in their long form.
    fn file(&self, path: &str, place: &Place, scope: &Scope) -> Vec<Node> {
        let Some(text) = self.text(path, place, &KeyPath::root()) else { return Vec::new() };
        let mut documents = yaml::documents(path, &text, self.report);
        documents.retain(|document| {
            let is_map = document.as_map().is_some();
            if !is_map && !document.is_null() {
                let message = format!(
                    "a Compose file is a map with `services:`, and this is {}",
                    document.value.kind()
                );
                self.report.error(&document.place, &KeyPath::root(), message);
            }
            is_map
        });
        let user = scope.variables.get("HOME");
        let home = Home { dir: scope.directory, user: user.as_deref() };
        for document in &mut documents {
            self.interpolate(document, &KeyPath::root(), scope);
            canonical::file(document, &home, self.report);
        }
        documents
    }

    fn interpolate(&self, node: &mut Node, path: &KeyPath, scope: &Scope) {
        match &mut node.value {
            Value::Text(text) => {
                let filled = interpolate::fill(text, &|name| scope.variables.get(name));
                let Some(filled) = self.report.take(&node.place, path, filled) else { return };
                for name in filled.unset {
                    if self.unset.borrow_mut().insert(name.clone()) {
                        let message = format!(
                            "variable {name} is not set and taken as empty: set it, or write ${{{name}:-}}"
                        );
                        self.report.warn(&node.place, path, message);
                    }
                }
                *text = filled.text;
            }
            Value::List(list) => {
                for (nth, one) in list.iter_mut().enumerate() {
                    self.interpolate(one, &path.nth(nth), scope);
                }
            }
            Value::Map(map) => {
                for (key, one) in map.iter_mut() {
                    self.interpolate(one, &path.key(&key.text), scope);
                }
            }
            Value::Null | Value::Bool(_) | Value::Int(_) | Value::Float(_) => {}
        }
    }
}
