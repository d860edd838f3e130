//! `extends`: a service made of another one, of this file or of another.

use super::{Loader, Scope};
use crate::{
    files::{join, parent},
    merge::merge_service,
    node::{Map, Node, Value},
    place::{KeyPath, Place},
};

/// A service of a file.
type Link = (String, String);

impl Loader<'_> {
    /// Puts the services that extend others together.
    pub(super) fn extend(&self, mut document: Node, file: &str, scope: &Scope) -> Node {
        let Some(services) =
            document.as_map().and_then(|root| root.get("services")).and_then(Node::as_map).cloned()
        else {
            return document;
        };
        let names =
            services.iter().filter(|(_, node)| node.as_map().is_some_and(|map| map.get("extends").is_some()));
        let names: Vec<_> = names.map(|(key, node)| (key.clone(), node.place.clone())).collect();
        for (key, place) in names {
            let whole = self.extended(&key.text, file, &services, (&place, scope), &mut Vec::new());
            if let Some(whole) = whole
                && let Some(services) =
                    document.as_map_mut().and_then(|root| root.get_mut("services")).and_then(Node::as_map_mut)
            {
                services.set(key, whole);
            }
        }
        document
    }

    fn extended(
        &self,
        name: &str,
        file: &str,
        services: &Map,
        (asked_at, scope): (&Place, &Scope),
        chain: &mut Vec<Link>,
    ) -> Option<Node> {
        let at = KeyPath::root().key("services").key(name).key("extends");
        let Some(service) = services.get(name) else {
            let message = format!("there is no service `{name}` in {file} to extend");
            let asked = chain
                .last()
                .map_or(at.clone(), |(_, by)| KeyPath::root().key("services").key(by).key("extends"));
            self.report.error(asked_at, &asked, message);
            return None;
        };
        let link = (file.to_owned(), name.to_owned());
        if chain.contains(&link) {
            self.report.error(asked_at, &at, format!("service `{name}` extends itself, by way of others"));
            return None;
        }
        let mut own = service.clone();
        let Some(extends) = own.as_map_mut().and_then(|map| map.remove("extends")) else { return Some(own) };
        let place = extends.place.clone();
        let text = |key: &str| {
            extends.as_map().and_then(|map| map.get(key)).and_then(Node::as_text).map(str::to_owned)
        };
        for (key, _) in extends
            .as_map()
            .into_iter()
            .flat_map(Map::iter)
            .filter(|(key, _)| !matches!(key.text.as_str(), "file" | "service"))
        {
            self.report.error(&key.place, &at.key(&key.text), "there is no such key: use file and service");
        }
        let Some(base_name) = text("service") else {
            self.report.error(&place, &at, "no service is named: write service: NAME");
            return None;
        };
        chain.push(link);
        let base = match text("file").map(|file| join(scope.directory, &file)).filter(|other| other != file) {
            None => self.extended(&base_name, file, services, (&place, scope), chain),
            Some(other) => {
                let directory = parent(&other);
                let scope = Scope { directory: &directory, variables: scope.variables };
                self.services_of(&other, &place, &scope).and_then(|services| {
                    self.extended(&base_name, &other, &services, (&place, &scope), chain)
                })
            }
        };
        chain.pop();
        Some(merge_service(base?, own, self.report))
    }

    fn services_of(&self, file: &str, place: &Place, scope: &Scope) -> Option<Map> {
        let document = self.file(file, place, scope).into_iter().next()?;
        let Value::Map(mut root) = document.value else { return None };
        match root.remove("services").map(|services| services.value) {
            Some(Value::Map(services)) => Some(services),
            _ => {
                let at = KeyPath::root();
                self.report.error(place, &at, format!("{file} has no services to extend"));
                None
            }
        }
    }
}
