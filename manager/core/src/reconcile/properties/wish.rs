//! What services are to be.

use crate::testing::{ServiceBuilder, service};
use proptest::prelude::*;
use proto::model::{FailureAction, NetworkId, RestartCondition, RolloutOrder};

/// Which of the two networks a service is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Attached {
    front: bool,
    /// It has five addresses.
    tiny: bool,
}

pub(super) fn attached() -> impl Strategy<Value = Attached> {
    (prop::bool::weighted(0.4), prop::bool::weighted(0.3)).prop_map(|(front, tiny)| Attached { front, tiny })
}

/// What a service is to be.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    global: bool,
    replicas: u32,
    start_first: bool,
    parallelism: u32,
    action: FailureAction,
    condition: RestartCondition,
    max_attempts: u32,
    gib: u64,
    port: Option<u16>,
    /// Whether the port is published on every node.
    everywhere: bool,
    ssd: bool,
    networks: Attached,
}

pub(super) fn wish() -> impl Strategy<Value = Wish> {
    let action =
        prop_oneof![Just(FailureAction::Pause), Just(FailureAction::Continue), Just(FailureAction::Rollback)];
    let condition = prop_oneof![3 => Just(RestartCondition::Any), 1 => Just(RestartCondition::OnFailure), 1 => Just(RestartCondition::None)];
    let shape = (prop::bool::weighted(0.3), 0u32..5, any::<bool>(), 0u32..3);
    let rest = (
        action,
        condition,
        0u32..3,
        0u64..3,
        prop::option::weighted(0.3, 80u16..82),
        prop::bool::weighted(0.3),
        prop::bool::weighted(0.3),
        attached(),
    );
    (shape, rest).prop_map(
        |(
            (global, replicas, start_first, parallelism),
            (action, condition, max_attempts, gib, port, everywhere, ssd, networks),
        )| {
            Wish {
                global,
                replicas,
                start_first,
                parallelism,
                action,
                condition,
                max_attempts,
                gib,
                port,
                everywhere,
                ssd,
                networks,
            }
        },
    )
}

/// The two networks that there are besides the ingress network.
#[derive(Clone, Copy)]
pub(super) struct Networks {
    pub front: NetworkId,
    pub tiny: NetworkId,
}

impl Networks {
    pub fn of(self, attached: Attached) -> Vec<NetworkId> {
        let wanted = [(attached.front, self.front), (attached.tiny, self.tiny)];
        wanted.into_iter().filter(|(wanted, _)| *wanted).map(|(_, id)| id).collect()
    }
}

impl Wish {
    pub fn spec(&self, number: u32, ids: Networks) -> ServiceBuilder {
        let order = if self.start_first { RolloutOrder::StartFirst } else { RolloutOrder::StopFirst };
        let action = self.action;
        let mut spec = service(&format!("service-{number}"))
            .replicas(self.replicas)
            .order(order)
            .parallelism(self.parallelism)
            .update(|config| config.failure_action = action)
            .restart(|policy| {
                policy.condition = self.condition;
                policy.max_attempts = self.max_attempts;
            })
            .memory(self.gib << 30);
        if self.global {
            spec = spec.global();
        }
        if let Some(port) = self.port {
            spec = if self.everywhere { spec.ingress_port(port) } else { spec.host_port(port) };
        }
        for network in ids.of(self.networks) {
            spec = spec.network(network);
        }
        if self.ssd {
            spec = spec.constraint("node.labels.disk==ssd");
        }
        spec
    }
}
