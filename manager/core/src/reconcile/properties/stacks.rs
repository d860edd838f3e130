//! Stacks in histories: one that is deployed in many forms, and removed.

use crate::{
    requests::stack,
    testing::{Bench, service, stack as a_stack},
};
use proptest::prelude::*;
use proto::model::{Name, StackCondition};

/// Something that a person asks of the stack.
#[derive(Debug, Clone)]
pub(super) enum StackEvent {
    Deploy { image: usize, with_db: bool, with_network: bool, healthy: bool, prune: bool },
    Remove,
}

pub(super) fn event() -> impl Strategy<Value = StackEvent> {
    let deploy = (0usize..3, any::<bool>(), any::<bool>(), any::<bool>(), any::<bool>()).prop_map(
        |(image, with_db, with_network, healthy, prune)| StackEvent::Deploy {
            image,
            with_db,
            with_network,
            healthy,
            prune,
        },
    );
    prop_oneof![4 => deploy, 1 => Just(StackEvent::Remove)]
}

pub(super) fn happen(bench: &mut Bench, event: StackEvent) {
    match event {
        StackEvent::Deploy { image, with_db, with_network, healthy, prune } => {
            let image = ["app:1", "app:2", crate::testing::BROKEN_IMAGE][image];
            let mut wanted =
                a_stack("shop").service(service("shop_web").image(image).replicas(2)).of_any_scale();
            if with_db {
                let condition = if healthy { StackCondition::Healthy } else { StackCondition::Started };
                wanted = wanted.after("shop_db", condition).service(service("shop_db").global());
            }
            if with_network {
                wanted = wanted.network("shop_front");
            }
            let mut ids = bench.stack_ids(&wanted);
            if with_network {
                let front: Name = "shop_front".parse().expect("a valid name");
                if let Some(present) = bench.state.network_named(&front) {
                    ids.networks.insert(front.clone(), present.id);
                }
                wanted = wanted.attached(ids.networks[&front]);
            }
            // What is refused leaves everything as it was.
            let _ = bench.deploy_as(wanted, prune, &ids);
        }
        StackEvent::Remove => remove(bench),
    }
}

fn remove(bench: &mut Bench) {
    let name: Name = "shop".parse().expect("a valid name");
    let Some(known) = bench.state.stack_named(&name).cloned() else { return };
    if let Ok(removed) = stack::remove(&bench.state, &known, bench.now) {
        bench.apply(&removed.transaction);
    }
}

/// The stack is removed.
pub(super) fn clear(bench: &mut Bench) {
    remove(bench);
}
