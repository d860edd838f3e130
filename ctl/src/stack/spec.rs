//! The spec of a stack, from a project.

use super::{
    networks::{Networks, network_specs},
    service,
};
use compose::{
    At, Report,
    model::{Condition, Project, Service},
};
use proto::{
    model::Name,
    wire::{self, stack_dependency},
};

/// The label that says which stack something belongs to. It is docker's, so that its tools find their way.
pub const NAMESPACE: &str = "com.docker.stack.namespace";

/// Makes the spec of a stack. What is wrong is noted, and then the spec is of no use.
pub fn stack_spec(project: &Project, stack: &str, report: &Report) -> wire::StackSpec {
    if let Err(error) = stack.parse::<Name>() {
        let place = project.name.as_ref().map(|name| (name.place.clone(), name.path.clone()));
        let (place, path) = place.unwrap_or_else(|| (compose::Place::outside("STACK"), Default::default()));
        report.error(&place, &path, error);
    }
    for volume in project.volumes.values() {
        if let Some(driver) = volume.driver.as_ref().filter(|driver| driver.value != "local") {
            report.warn(&driver.place, &driver.path, "not honoured: volumes are folders of the nodes");
        }
        for (key, value) in &volume.driver_opts {
            report.warn(
                &value.place,
                &value.path,
                format!("not honoured: option {key}: volumes are folders of the nodes"),
            );
        }
        for (_, value) in &volume.labels {
            report.warn(&value.place, &value.path, "not honoured: volumes have no labels");
        }
    }
    let networks = Networks::of_project(project, stack);
    let stack_service = |service: &Service| {
        let spec = service::service_spec(service, stack, project, &networks, report)?;
        Some(wire::StackService {
            spec: Some(spec),
            keep_scale: service.deploy.replicas.is_none(),
            depends_on: dependencies(service, project, stack),
        })
    };
    wire::StackSpec {
        name: stack.to_owned(),
        services: project.services.values().filter_map(stack_service).collect(),
        networks: network_specs(project, stack, report),
    }
}

fn dependencies(service: &Service, project: &Project, stack: &str) -> Vec<wire::StackDependency> {
    let there = service.depends_on.iter().filter(|one| project.services.contains_key(&one.service.value));
    let dependency = |one: &compose::model::Dependency| wire::StackDependency {
        service: scoped(stack, &one.service),
        condition: match one.condition {
            Condition::Started => stack_dependency::Condition::Started,
            Condition::Healthy => stack_dependency::Condition::Healthy,
            Condition::CompletedSuccessfully => stack_dependency::Condition::Completed,
        }
        .into(),
    };
    there.map(dependency).collect()
}

/// The name of something of a stack.
pub(super) fn scoped(stack: &str, key: &str) -> String {
    format!("{stack}_{key}")
}

/// The name of something in the cluster: its own, or one made of the stack's.
pub(super) fn name_of(stack: &str, key: &At<String>, name: Option<&At<String>>, external: bool) -> String {
    match name {
        Some(name) => name.value.clone(),
        None if external => key.value.clone(),
        None => scoped(stack, key),
    }
}
