//! Rollouts from beginning to end.

mod canaries;
mod control;
mod deadline;
mod failures;
mod requests;
mod steps;

use crate::testing::{Bench, ServiceBuilder, node, service};
use proto::model::{Rollout, ServiceId};
use std::collections::BTreeMap;

/// A service that runs on three nodes.
fn bench(service: ServiceBuilder) -> (Bench, ServiceId) {
    let mut bench = Bench::new();
    (1..=3).for_each(|n| {
        bench.add(node(n));
    });
    let web = bench.create(service);
    bench.settle();
    (bench, web)
}

fn web() -> ServiceBuilder {
    service("web").replicas(4)
}

fn rollout(bench: &Bench, web: ServiceId) -> Rollout {
    bench.service(web).rollout.clone().expect("there was an update")
}

/// How many live tasks have each image, as `IMAGE xN`.
fn images(bench: &Bench, web: ServiceId) -> String {
    let mut counts: BTreeMap<String, u32> = BTreeMap::new();
    for task in bench.live(web) {
        *counts.entry(task.spec.task.container.image.clone()).or_default() += 1;
    }
    let parts: Vec<String> = counts.iter().map(|(image, count)| format!("{image} x{count}")).collect();
    parts.join(", ")
}
