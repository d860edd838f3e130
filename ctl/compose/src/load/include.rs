//! `include`: other projects, each with its own folder and variables, whose objects become this one's.

use super::{Chain, Loader, Scope};
use crate::{
    files::{join, parent},
    merge::merge,
    node::{Node, Value},
    place::KeyPath,
    variables::Variables,
};

/// The kinds of objects that an included project brings.
const KINDS: [&str; 5] = ["services", "networks", "volumes", "secrets", "configs"];

impl Loader<'_> {
    /// Everything that a file includes.
    pub(super) fn include(&self, document: &Node, scope: &Scope, chain: &mut Chain) -> Option<Node> {
        let node = document.as_map()?.get("include").filter(|node| !node.is_null())?;
        let path = KeyPath::root().key("include");
        let Some(list) = node.as_list() else {
            self.report.error(&node.place, &path, "this is a list of files, or of maps with path:");
            return None;
        };
        let mut all: Option<Node> = None;
        for (nth, one) in list.iter().enumerate() {
            let Some(mut included) = self.included(one, &path.nth(nth), scope, chain) else { continue };
            if let Some(root) = included.as_map_mut() {
                root.retain(|key, _| KINDS.contains(&key));
            }
            match &mut all {
                Some(all) => self.take_in(all, included),
                None => all = Some(included),
            }
        }
        all
    }

    fn included(&self, node: &Node, at: &KeyPath, scope: &Scope, chain: &mut Chain) -> Option<Node> {
        let (paths, directory, env_files) = match &node.value {
            Value::Text(path) => (vec![path.clone()], None, Vec::new()),
            Value::Map(map) => {
                for (key, _) in map.iter().filter(|(key, _)| {
                    !matches!(key.text.as_str(), "path" | "project_directory" | "env_file")
                }) {
                    let message = "there is no such key: use path, project_directory and env_file";
                    self.report.error(&key.place, &at.key(&key.text), message);
                }
                let texts = |key: &str| -> Vec<String> {
                    let list =
                        |list: &[Node]| list.iter().filter_map(Node::as_text).map(str::to_owned).collect();
                    let one = |node: &Node| {
                        node.as_list()
                            .map_or_else(|| node.as_text().map(str::to_owned).into_iter().collect(), list)
                    };
                    map.get(key).map(one).unwrap_or_default()
                };
                (texts("path"), texts("project_directory").pop(), texts("env_file"))
            }
            _ => (Vec::new(), None, Vec::new()),
        };
        let Some(first) = paths.first() else {
            self.report.error(&node.place, at, "no file is named: write its path, or a map with path:");
            return None;
        };
        let paths: Vec<String> = paths.iter().map(|path| join(scope.directory, path)).collect();
        let directory = directory
            .map_or_else(|| parent(&join(scope.directory, first)), |dir| join(scope.directory, &dir));
        let env_files: Vec<String> = env_files.iter().map(|path| join(scope.directory, path)).collect();
        let outer = |name: &str| scope.variables.get(name);
        let own = self.variables(&env_files, &directory, &node.place, &outer);
        let variables = Variables { outer: &outer, own };
        let scope = Scope { directory: &directory, variables: &variables };
        let mut tree = self.project(&paths, &node.place, &scope, chain)?;
        // With the variables and the folder of their own project.
        self.fill_environments(&mut tree, &scope);
        Some(tree)
    }

    /// Adds the objects of an included project. One that is there already must be the same, or must be a later file's
    /// change of it.
    pub(super) fn take_in(&self, into: &mut Node, included: Node) {
        let Value::Map(included) = included.value else { return };
        let Some(root) = into.as_map_mut() else { return };
        for (kind, objects) in included {
            let Value::Map(objects) = objects.value else { continue };
            let at = KeyPath::root().key(&kind.text);
            if root.get(&kind.text).is_none_or(Node::is_null) {
                root.set(kind.clone(), Node::new(Value::Map(Default::default()), kind.place.clone()));
            }
            let Some(known) = root.get_mut(&kind.text).and_then(Node::as_map_mut) else { continue };
            for (key, node) in objects {
                match known.entry(&key.text) {
                    Some((_, same)) if *same == node => {}
                    Some((other, _)) if kind.text == "services" => {
                        let message = format!(
                            "an included file has this too, at {}: give one of them another name",
                            key.place
                        );
                        self.report.error(&other.place, &at.key(&key.text), message);
                    }
                    Some((_, other)) if !other.is_null() && !node.is_null() => {
                        let message = format!(
                            "an included file says something else of it, at {}: say the same in both",
                            key.place
                        );
                        self.report.error(&other.place, &at.key(&key.text), message);
                    }
                    Some((_, other)) => {
                        let merged = merge(node, other.clone(), self.report);
                        known.set(key, merged);
                    }
                    None => known.set(key, node),
                }
            }
        }
    }
}
