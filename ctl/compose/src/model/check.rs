//! What the parts of a project say of each other: profiles, and names that must be there.

use super::{MountKind, Project, Service};
use crate::{place::At, report::Report};
use std::collections::{BTreeMap, BTreeSet};

/// The profile that means all of them.
const EVERY_PROFILE: &str = "*";

impl Project {
    /// Leaves out the services that are part of none of these profiles. Those without any stay.
    pub fn choose(&mut self, profiles: &[String], report: &Report) {
        let is_chosen = |service: &Service| {
            let chosen = |own: &At<String>| {
                profiles.iter().any(|profile| profile == EVERY_PROFILE || *profile == own.value)
            };
            service.profiles.is_empty() || service.profiles.iter().any(chosen)
        };
        let left_out: BTreeSet<String> = self
            .services
            .iter()
            .filter(|(_, service)| !is_chosen(service))
            .map(|(name, _)| name.clone())
            .collect();
        self.services.retain(|name, _| !left_out.contains(name));
        for service in self.services.values_mut() {
            service.depends_on.retain(|dependency| {
                let name = &dependency.service;
                if left_out.contains(&name.value) && dependency.required {
                    let message = format!("service `{}` is part of no profile that was chosen: choose one with --profile, or write required: false", name.value);
                    report.error(&name.place, &name.path, message);
                }
                !left_out.contains(&name.value)
            });
        }
        if self.services.is_empty() && !left_out.is_empty() && !report.has_errors() {
            let message = format!(
                "no service is part of the profiles that were chosen: choose one with --profile (left out: {})",
                left_out.into_iter().collect::<Vec<_>>().join(", ")
            );
            report.error(&crate::Place::outside("--profile"), &crate::KeyPath::root(), message);
        }
    }

    /// Notes names of things that the project does not have.
    pub fn check_names(&self, report: &Report) {
        for service in self.services.values() {
            for attachment in &service.networks {
                if attachment.network.value != "default" {
                    known(&self.networks, "network", &attachment.network, report);
                }
            }
            for mount in service.mounts.iter().filter(|mount| mount.kind.value == MountKind::Volume) {
                if let Some(source) = &mount.source {
                    known(&self.volumes, "volume", source, report);
                }
            }
            service.secrets.iter().for_each(|secret| known(&self.secrets, "secret", &secret.source, report));
            service.configs.iter().for_each(|config| known(&self.configs, "config", &config.source, report));
            for dependency in service.depends_on.iter().filter(|dependency| dependency.required) {
                known(&self.services, "service", &dependency.service, report);
            }
        }
        self.check_order(report);
    }

    /// Notes services that wait for each other.
    fn check_order(&self, report: &Report) {
        let mut settled: BTreeSet<&str> = BTreeSet::new();
        loop {
            let is_settled = |service: &Service| {
                let there = |name: &str| settled.contains(name) || !self.services.contains_key(name);
                service.depends_on.iter().all(|dependency| there(&dependency.service))
            };
            let next: Vec<&str> = self
                .services
                .iter()
                .filter(|(name, service)| !settled.contains(name.as_str()) && is_settled(service))
                .map(|(name, _)| name.as_str())
                .collect();
            if next.is_empty() {
                break;
            }
            settled.extend(next);
        }
        // Of those left, some only wait for the ones in a circle: what waits for itself is in one.
        for (name, service) in self.services.iter().filter(|(name, _)| !settled.contains(name.as_str())) {
            if let Some(dependency) =
                service.depends_on.iter().find(|dependency| self.leads_to(&dependency.service, name))
            {
                let place = &dependency.service;
                let message = format!(
                    "services `{name}` and `{}` wait for each other, by way of others or not: take one of the dependencies out",
                    place.value
                );
                report.error(&place.place, &place.path, message);
            }
        }
    }

    fn leads_to(&self, from: &str, to: &str) -> bool {
        let (mut seen, mut next) = (BTreeSet::new(), vec![from]);
        while let Some(name) = next.pop() {
            if name == to {
                return true;
            }
            if seen.insert(name) {
                let service = self.services.get(name);
                next.extend(
                    service
                        .into_iter()
                        .flat_map(|service| &service.depends_on)
                        .map(|dependency| dependency.service.as_str()),
                );
            }
        }
        false
    }
}

fn known<T>(all: &BTreeMap<String, T>, kind: &str, name: &At<String>, report: &Report) {
    if all.contains_key(&name.value) {
        return;
    }
    let those = match all.is_empty() {
        true => format!("the project has no {kind}s"),
        false => format!("the {kind}s are {}", all.keys().map(String::as_str).collect::<Vec<_>>().join(", ")),
    };
    report.error(
        &name.place,
        &name.path,
        format!("there is no {kind} `{}` below {kind}s: {those}", name.value),
    );
}
