//! Stacks and what users ask of them.

use crate::{
    model::{
        Name, NetworkSpec, Problems, ServiceSpec, Stack, StackCondition, StackDependency, StackService,
        StackSpec,
        stack::{STACK_LABEL, stack_of},
    },
    wire::{self, stack_dependency::Condition},
};
use std::collections::BTreeSet;

/// The most services and networks in one stack: all of it is one entry of the log.
pub const STACK_OBJECTS_MAX: usize = 1_000;

impl From<&StackSpec> for wire::StackSpec {
    fn from(spec: &StackSpec) -> Self {
        wire::StackSpec {
            name: spec.name.to_string(),
            services: spec.services.iter().map(wire::StackService::from).collect(),
            networks: spec.networks.iter().map(wire::NetworkSpec::from).collect(),
        }
    }
}

impl From<&StackService> for wire::StackService {
    fn from(service: &StackService) -> Self {
        wire::StackService {
            spec: Some((&service.spec).into()),
            keep_scale: service.keep_scale,
            depends_on: service.depends_on.iter().map(wire::StackDependency::from).collect(),
        }
    }
}

impl From<&StackDependency> for wire::StackDependency {
    fn from(dependency: &StackDependency) -> Self {
        let condition = match dependency.condition {
            StackCondition::Started => Condition::Started,
            StackCondition::Healthy => Condition::Healthy,
            StackCondition::Completed => Condition::Completed,
        };
        wire::StackDependency { service: dependency.service.to_string(), condition: condition.into() }
    }
}

impl From<&Stack> for wire::Stack {
    /// Leaves out what belongs to it: the answering manager fills that in.
    fn from(stack: &Stack) -> Self {
        wire::Stack {
            id: stack.id.to_string(),
            version: stack.version,
            created_at: stack.created_at.0,
            updated_at: stack.updated_at.0,
            spec: Some(stack.spec.as_ref().into()),
            waiting: stack.waiting.iter().map(ToString::to_string).collect(),
            removing: stack.removing,
            ..Default::default()
        }
    }
}

impl TryFrom<wire::StackSpec> for StackSpec {
    type Error = Problems;

    /// Checks every part and reports all that is wrong, each under the name of what it is wrong with.
    fn try_from(wire: wire::StackSpec) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let name = problems.take("STACK", Name::try_from(wire.name));
        if wire.services.is_empty() {
            problems.add("services", "a stack has one service at least");
        }
        let objects = wire.services.len() + wire.networks.len();
        if objects > STACK_OBJECTS_MAX {
            problems.add(
                "services",
                format!(
                    "{objects} services and networks are too many for one stack: at most {STACK_OBJECTS_MAX}"
                ),
            );
        }
        let services: Vec<_> =
            wire.services.into_iter().filter_map(|service| stack_service(service, &mut problems)).collect();
        let network = |network: wire::NetworkSpec| {
            let field = format!("network {}", network.name);
            named(&field, NetworkSpec::try_from(network), &mut problems)
        };
        let networks: Vec<_> = wire.networks.into_iter().filter_map(network).collect();
        let Some(name) = name else { return Err(problems) };
        let spec = StackSpec { name, services, networks };
        check(&spec, &mut problems);
        problems.finish(spec)
    }
}

fn stack_service(wire: wire::StackService, problems: &mut Problems) -> Option<StackService> {
    let spec = wire.spec.unwrap_or_default();
    let field = format!("service {}", spec.name);
    let spec = named(&field, ServiceSpec::try_from(spec), problems);
    let dependency = |wire: wire::StackDependency| {
        let condition = match wire.condition() {
            Condition::Unspecified | Condition::Started => StackCondition::Started,
            Condition::Healthy => StackCondition::Healthy,
            Condition::Completed => StackCondition::Completed,
        };
        let service = problems.take(&field, Name::try_from(wire.service))?;
        Some(StackDependency { service, condition })
    };
    let depends_on = wire.depends_on.into_iter().filter_map(dependency).collect();
    Some(StackService { spec: spec?, keep_scale: wire.keep_scale, depends_on })
}

/// Puts the name of the object before each of its problems.
fn named<T>(field: &str, checked: Result<T, Problems>, problems: &mut Problems) -> Option<T> {
    let found = checked.map_err(|found| {
        for problem in found.0 {
            problems.add(format!("{field}: {}", problem.field), problem.message);
        }
    });
    found.ok()
}

fn check(spec: &StackSpec, problems: &mut Problems) {
    let mut names = BTreeSet::new();
    for service in &spec.services {
        let name = &service.spec.name;
        let field = format!("service {name}");
        if !names.insert(name) {
            problems.add(&field, "there are two services of this name: give one of them another");
        }
        if stack_of(&service.spec.labels) != Some(spec.name.as_str()) {
            problems.add(&field, format!("its label {STACK_LABEL} must be `{}`", spec.name));
        }
        for dependency in &service.depends_on {
            if !spec.services.iter().any(|other| other.spec.name == dependency.service) {
                problems.add(
                    &field,
                    format!("it depends on `{}`, which is no service of the stack", dependency.service),
                );
            }
        }
    }
    let mut names = BTreeSet::new();
    for network in &spec.networks {
        let field = format!("network {}", network.name);
        if !names.insert(&network.name) {
            problems.add(&field, "there are two networks of this name: give one of them another");
        }
        if stack_of(&network.labels) != Some(spec.name.as_str()) {
            problems.add(&field, format!("its label {STACK_LABEL} must be `{}`", spec.name));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn a_spec_comes_back_from_the_wire_unchanged(spec in testing::stack_spec()) {
            prop_assert_eq!(StackSpec::try_from(wire::StackSpec::from(&spec)), Ok(spec));
        }
    }

    #[test]
    fn everything_that_is_wrong_is_told_at_once_with_its_object() {
        let service = |name: &str| wire::StackService {
            spec: Some(wire::ServiceSpec { name: name.into(), ..Default::default() }),
            ..Default::default()
        };
        let network = wire::NetworkSpec { name: "shop_front".into(), ..Default::default() };
        let spec = wire::StackSpec {
            name: "-shop".into(),
            services: vec![service("shop_web"), service("-")],
            networks: vec![network.clone()],
        };
        let fields: Vec<String> =
            StackSpec::try_from(spec).unwrap_err().0.into_iter().map(|problem| problem.field).collect();
        assert_eq!(fields, ["STACK", "service shop_web: IMAGE", "service -: --name", "service -: IMAGE"]);
        let twice = wire::StackSpec {
            name: "shop".into(),
            services: vec![],
            networks: vec![network.clone(), network],
        };
        let text = StackSpec::try_from(twice).unwrap_err().to_string();
        assert!(text.contains("services: a stack has one service at least"), "{text}");
        assert!(text.contains("network shop_front: there are two networks of this name"), "{text}");
        assert!(
            text.contains("network shop_front: its label com.docker.stack.namespace must be `shop`"),
            "{text}"
        );
    }
}
