//! Generators of well-formed model values, for property tests here and in other crates.

mod cluster;
mod container;
mod payload;
mod probe;
mod service;
mod stack;
mod task;
mod text;

pub use cluster::{cluster_spec, node, node_description, node_spec, node_status};
pub use container::container_spec;
pub use payload::{payload_delivery, payload_spec};
pub use service::{service_spec, task_spec};
pub use stack::stack_spec;
pub use task::{task, task_status};

use crate::model::{Id, Timestamp};
use proptest::{prelude::*, strategy::ValueTree, test_runner::TestRunner};

/// One value of a strategy, always the same one, for tests that need any well-formed value.
pub fn sample<S: Strategy>(strategy: S) -> S::Value {
    let mut runner = TestRunner::deterministic();
    strategy.new_tree(&mut runner).expect("the strategies here reject nothing for good").current()
}

/// Any id.
pub fn id<K: 'static>() -> impl Strategy<Value = Id<K>> {
    any::<u128>().prop_map(Id::from_bits)
}

/// Any point in time.
pub fn timestamp() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp)
}
