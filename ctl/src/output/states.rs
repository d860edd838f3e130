//! Names of states, as docker's API writes them.

use proto::wire::{self, DesiredState, RolloutState, TaskState};

/// The name of a task's observed state.
pub fn task(state: TaskState) -> &'static str {
    // The numbers are the same, so every one of them has a name.
    proto::model::TaskState::try_from(i32::from(state)).map_or("unknown", proto::model::TaskState::as_str)
}

/// The name of a desired state.
pub fn desired(state: DesiredState) -> &'static str {
    match state {
        DesiredState::Ready => "ready",
        DesiredState::Running => "running",
        DesiredState::Shutdown => "shutdown",
        DesiredState::Remove => "remove",
    }
}

/// The name of a rollout's stage.
pub fn rollout(state: RolloutState) -> &'static str {
    match state {
        RolloutState::Unspecified => "",
        RolloutState::Updating => "updating",
        RolloutState::Paused => "paused",
        RolloutState::Completed => "completed",
        RolloutState::RollbackStarted => "rollback_started",
        RolloutState::RollbackPaused => "rollback_paused",
        RolloutState::RollbackCompleted => "rollback_completed",
        RolloutState::AwaitingPromotion => "awaiting_promotion",
    }
}

/// The name of a node's state.
pub fn node(state: wire::NodeState) -> &'static str {
    match state {
        wire::NodeState::Unknown => "unknown",
        wire::NodeState::Down => "down",
        wire::NodeState::Ready => "ready",
    }
}

/// The name of an availability.
pub fn availability(availability: wire::Availability) -> &'static str {
    match availability {
        wire::Availability::Unspecified | wire::Availability::Active => "active",
        wire::Availability::Pause => "pause",
        wire::Availability::Drain => "drain",
    }
}

/// The name of a role.
pub fn role(role: wire::Role) -> &'static str {
    match role {
        wire::Role::Unspecified | wire::Role::Worker => "worker",
        wire::Role::Manager => "manager",
    }
}

/// The name of a restart condition.
pub fn restart(condition: wire::restart_policy::Condition) -> &'static str {
    use wire::restart_policy::Condition;
    match condition {
        Condition::None => "none",
        Condition::OnFailure => "on-failure",
        Condition::Unspecified | Condition::Any => "any",
    }
}

/// The name of what is done when too many tasks fail.
pub fn failure_action(action: wire::rollout_config::FailureAction) -> &'static str {
    use wire::rollout_config::FailureAction;
    match action {
        FailureAction::Unspecified | FailureAction::Pause => "pause",
        FailureAction::Continue => "continue",
        FailureAction::Rollback => "rollback",
    }
}

/// The name of an order.
pub fn order(order: wire::rollout_config::Order) -> &'static str {
    use wire::rollout_config::Order;
    match order {
        Order::Unspecified | Order::StopFirst => "stop-first",
        Order::StartFirst => "start-first",
    }
}

/// The name of a kind of mount.
pub fn mount(kind: wire::mount::Kind) -> &'static str {
    use wire::mount::Kind;
    match kind {
        Kind::Bind => "bind",
        Kind::Unspecified | Kind::Volume => "volume",
        Kind::Tmpfs => "tmpfs",
    }
}

/// The name of a way to answer a service's name.
pub fn endpoint_mode(mode: wire::EndpointMode) -> &'static str {
    match mode {
        wire::EndpointMode::Unspecified | wire::EndpointMode::Vip => "vip",
        wire::EndpointMode::Dnsrr => "dnsrr",
    }
}

/// The name of a protocol.
pub fn protocol(protocol: wire::published_port::Protocol) -> &'static str {
    use wire::published_port::Protocol;
    match protocol {
        Protocol::Unspecified | Protocol::Tcp => "tcp",
        Protocol::Udp => "udp",
        Protocol::Sctp => "sctp",
    }
}

/// The name of a choice of tasks, if it is another than the usual one.
pub fn port_traffic(traffic: wire::published_port::Traffic) -> Option<&'static str> {
    use wire::published_port::Traffic;
    match traffic {
        Traffic::Unspecified | Traffic::Cluster => None,
        Traffic::LocalFirst => Some("local-first"),
    }
}

/// The name of a way to publish.
pub fn publish_mode(mode: wire::published_port::Mode) -> &'static str {
    use wire::published_port::Mode;
    match mode {
        Mode::Unspecified | Mode::Ingress => "ingress",
        Mode::Host => "host",
    }
}
