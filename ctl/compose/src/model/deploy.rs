//! `deploy`: how many tasks, where, with what, and how they change.

use crate::{fields::Fields, place::At};

/// How a service runs in a cluster.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Deploy {
    /// `replicated` or `global`.
    pub mode: Option<At<String>>,
    /// How many tasks; not given, the present number stays.
    pub replicas: Option<At<u32>>,
    /// Labels of the service.
    pub labels: Vec<(String, At<String>)>,
    /// `vip` or `dnsrr`.
    pub endpoint_mode: Option<At<String>>,
    /// Where tasks may run.
    pub placement: Placement,
    /// What a task may use at most.
    pub limits: Resources,
    /// What is set aside for a task.
    pub reservations: Resources,
    /// What happens when a task ends.
    pub restart_policy: Option<RestartPolicy>,
    /// How updates go.
    pub update_config: Option<UpdateConfig>,
    /// How rollbacks go.
    pub rollback_config: Option<UpdateConfig>,
}

/// Another word for how an update or rollback goes.
pub type Rollout = UpdateConfig;

/// Where tasks may run.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Placement {
    /// What must hold of a node.
    pub constraints: Vec<At<String>>,
    /// What tasks are spread over.
    pub preferences: Vec<At<String>>,
    /// Tasks on one node at most.
    pub max_replicas_per_node: Option<At<u32>>,
}

/// What a task uses.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Resources {
    /// Processors.
    pub cpus: Option<At<String>>,
    /// Memory.
    pub memory: Option<At<String>>,
    /// Processes.
    pub pids: Option<At<i128>>,
}

/// What happens when a task ends.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct RestartPolicy {
    /// `none`, `on-failure` or `any`.
    pub condition: Option<At<String>>,
    /// Wait before a replacement.
    pub delay: Option<At<String>>,
    /// Replacements at most.
    pub max_attempts: Option<At<u32>>,
    /// Time over which they are counted.
    pub window: Option<At<String>>,
}

/// How an update or a rollback goes.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct UpdateConfig {
    /// Tasks at the same time.
    pub parallelism: Option<At<u32>>,
    /// Wait after each.
    pub delay: Option<At<String>>,
    /// What happens when too many fail.
    pub failure_action: Option<At<String>>,
    /// How long a new task is watched.
    pub monitor: Option<At<String>>,
    /// Share of failed tasks that is tolerated.
    pub max_failure_ratio: Option<At<f64>>,
    /// `stop-first` or `start-first`.
    pub order: Option<At<String>>,
}

impl Deploy {
    pub(super) fn read(fields: &Fields) -> Deploy {
        let resources = fields.fields("resources");
        let limits = resources.as_ref().and_then(|all| all.fields("limits"));
        let reservations = resources.as_ref().and_then(|all| all.fields("reservations"));
        let deploy = Deploy {
            mode: fields.text("mode"),
            replicas: fields.count("replicas"),
            labels: fields.pairs("labels"),
            endpoint_mode: fields.text("endpoint_mode"),
            placement: fields.fields("placement").map(placement).unwrap_or_default(),
            limits: limits.map(limits_of).unwrap_or_default(),
            reservations: reservations.map(reservations_of).unwrap_or_default(),
            restart_policy: fields.fields("restart_policy").map(restart_policy),
            update_config: fields.fields("update_config").map(update_config),
            rollback_config: fields.fields("rollback_config").map(update_config),
        };
        if let Some(resources) = resources {
            resources.finish();
        }
        deploy
    }
}

fn placement(fields: Fields) -> Placement {
    let preference = |one: Fields| {
        let spread = one.text("spread").map(|spread| spread.with(format!("spread={}", *spread)));
        one.finish();
        spread
    };
    let placement = Placement {
        constraints: fields.texts("constraints"),
        preferences: fields.list("preferences").into_iter().filter_map(preference).collect(),
        max_replicas_per_node: fields.count("max_replicas_per_node"),
    };
    fields.finish();
    placement
}

fn limits_of(fields: Fields) -> Resources {
    let limits = Resources {
        cpus: fields.text_or_number("cpus"),
        memory: fields.text_or_number("memory"),
        pids: fields.number("pids"),
    };
    fields.finish();
    limits
}

fn reservations_of(fields: Fields) -> Resources {
    let reservations = Resources {
        cpus: fields.text_or_number("cpus"),
        memory: fields.text_or_number("memory"),
        pids: None,
    };
    fields.not_honoured(&[
        ("devices", "devices are not handed out by the cluster"),
        ("generic_resources", "resources of your own are not handed out by the cluster: constrain the service to nodes by a label"),
    ]);
    fields.finish();
    reservations
}

fn restart_policy(fields: Fields) -> RestartPolicy {
    let policy = RestartPolicy {
        condition: fields.text("condition"),
        delay: fields.text("delay"),
        max_attempts: fields.count("max_attempts"),
        window: fields.text("window"),
    };
    fields.finish();
    policy
}

fn update_config(fields: Fields) -> UpdateConfig {
    let config = UpdateConfig {
        parallelism: fields.count("parallelism"),
        delay: fields.text("delay"),
        failure_action: fields.text("failure_action"),
        monitor: fields.text("monitor"),
        max_failure_ratio: fields.float("max_failure_ratio"),
        order: fields.text("order"),
    };
    fields.finish();
    config
}
