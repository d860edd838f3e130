//! Stacks.

use super::service_spec;
use crate::model::{
    Name, NetworkSpec, StackCondition, StackDependency, StackService, StackSpec, stack::STACK_LABEL,
};
use proptest::prelude::*;

/// Any spec of a stack.
pub fn stack_spec() -> impl Strategy<Value = StackSpec> {
    let service = (service_spec(), any::<bool>(), 0usize..4, condition());
    let services = prop::collection::vec(service, 1..4);
    ("[a-z][a-z0-9]{0,8}", services, 0usize..3).prop_map(|(stack, services, networks)| {
        let name = |kind: &str, nth: usize| -> Name {
            format!("{stack}_{kind}{nth}").parse().expect("letters, digits and a low line")
        };
        let count = services.len();
        let service = |(nth, (mut spec, keep_scale, other, condition)): (
            usize,
            (crate::model::ServiceSpec, _, usize, _),
        )| {
            spec.name = name("service", nth);
            spec.labels.insert(STACK_LABEL.into(), stack.clone());
            let depends_on = (other < count && other != nth)
                .then(|| StackDependency { service: name("service", other), condition });
            StackService { spec, keep_scale, depends_on: depends_on.into_iter().collect() }
        };
        let network = |nth| NetworkSpec {
            name: name("network", nth),
            labels: [(STACK_LABEL.to_owned(), stack.clone())].into(),
            ipv6: false,
            internal: nth == 1,
            attachable: false,
            ingress: false,
            ipv4_pool: None,
            ipv6_pool: None,
            mtu: None,
            kind: Default::default(),
        };
        StackSpec {
            name: stack.parse().expect("letters and digits"),
            services: services.into_iter().enumerate().map(service).collect(),
            networks: (0..networks).map(network).collect(),
        }
    })
}

fn condition() -> impl Strategy<Value = StackCondition> {
    prop::sample::select(vec![StackCondition::Started, StackCondition::Healthy, StackCondition::Completed])
}
