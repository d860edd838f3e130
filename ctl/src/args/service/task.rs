//! Options that `service create` and `service update` share: what the tasks are and how they change.

use super::HealthArgs;
use clap::Args;

/// What the tasks are.
#[derive(Debug, Default, Args)]
pub struct TaskArgs {
    /// Add Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_add: Vec<String>,
    /// Drop Linux capabilities
    #[arg(long, value_name = "CAPABILITY")]
    pub cap_drop: Vec<String>,
    /// How the service's name is answered: vip or dnsrr (a new service has vip)
    #[arg(long, value_name = "MODE")]
    pub endpoint_mode: Option<String>,
    /// Command that replaces the image's entrypoint
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub entrypoint: Option<String>,
    /// Whether they work.
    #[command(flatten)]
    pub health: HealthArgs,
    /// Host name of the containers ({{.Node.Hostname}}-{{.Task.Slot}} gives each its own)
    #[arg(long)]
    pub hostname: Option<String>,
    /// Processors a task may use at most (0.5; 0 is no limit)
    #[arg(long, value_name = "CPUS")]
    pub limit_cpu: Option<String>,
    /// Memory a task may use at most (64m; 0 is no limit)
    #[arg(long, value_name = "SIZE")]
    pub limit_memory: Option<String>,
    /// Processes and threads a task may have at most (0 is no limit)
    #[arg(long, value_name = "COUNT")]
    pub limit_pids: Option<String>,
    /// Tasks of a job that run at the same time (all of them; with --mode replicated-job)
    #[arg(long, value_name = "COUNT")]
    pub max_concurrent: Option<String>,
    /// How long a run of a job may take before it is stopped (with a job's mode)
    #[arg(long, value_name = "DURATION")]
    pub job_deadline: Option<String>,
    /// Tasks of a run of a job that may fail before it is stopped (with a job's mode)
    #[arg(long, value_name = "COUNT")]
    pub job_backoff_limit: Option<String>,
    /// How long after its end a job is removed (with a job's mode)
    #[arg(long, value_name = "DURATION")]
    pub job_ttl: Option<String>,
    /// How output is kept: max-size=SIZE (a new service has 10m), max-file=COUNT (3)
    #[arg(long, value_name = "OPTION")]
    pub log_opt: Vec<String>,
    /// How soon the kernel ends the tasks when memory runs out, from -1000 (last) to 1000 (first)
    #[arg(long, value_name = "SCORE")]
    pub oom_score_adj: Option<String>,
    /// Make the image's files read-only
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", action = clap::ArgAction::Set)]
    #[arg(hide_possible_values = true, value_name = "BOOL")]
    pub read_only: Option<bool>,
    /// Number of tasks (a new service has 1)
    #[arg(long, value_name = "COUNT")]
    pub replicas: Option<String>,
    /// Tasks of the service on one node at most (0 is no limit)
    #[arg(long, value_name = "COUNT")]
    pub replicas_max_per_node: Option<String>,
    /// Processors set aside for each task (0.5)
    #[arg(long, value_name = "CPUS")]
    pub reserve_cpu: Option<String>,
    /// Memory set aside for each task (64m)
    #[arg(long, value_name = "SIZE")]
    pub reserve_memory: Option<String>,
    /// Time a container gets to stop before it is killed (a new service has 10s)
    #[arg(long, value_name = "DURATION")]
    pub stop_grace_period: Option<String>,
    /// Signal that asks a container to stop (the image's, else SIGTERM)
    #[arg(long, value_name = "SIGNAL")]
    pub stop_signal: Option<String>,
    /// User the command runs as (NAME|UID[:GROUP|GID])
    #[arg(short, long)]
    pub user: Option<String>,
    /// Working directory in the container
    #[arg(short, long, value_name = "PATH")]
    pub workdir: Option<String>,
    /// What happens when a task ends.
    #[command(flatten)]
    pub restart: RestartArgs,
    /// How updates go.
    #[command(flatten)]
    pub update: RolloutArgs,
    /// How rollbacks go.
    #[command(flatten)]
    pub rollback: RollbackArgs,
}

/// What happens when a task ends.
#[derive(Debug, Default, Args)]
pub struct RestartArgs {
    /// When a task that ended is replaced: none, on-failure or any (a new service has any)
    #[arg(long, value_name = "CONDITION")]
    pub restart_condition: Option<String>,
    /// Wait before a replacement starts; doubled with each failure in a row (a new service has 5s)
    #[arg(long, value_name = "DURATION")]
    pub restart_delay: Option<String>,
    /// Replacements made at most (0 is no limit)
    #[arg(long, value_name = "COUNT")]
    pub restart_max_attempts: Option<String>,
    /// Time over which replacements are counted (0s is for ever)
    #[arg(long, value_name = "DURATION")]
    pub restart_window: Option<String>,
}

/// How updates go.
#[derive(Debug, Default, Args)]
pub struct RolloutArgs {
    /// Wait after each task of an update (a new service has 0s)
    #[arg(long, value_name = "DURATION")]
    pub update_delay: Option<String>,
    /// When too many tasks fail: pause, continue or rollback (a new service has pause)
    #[arg(long, value_name = "ACTION")]
    pub update_failure_action: Option<String>,
    /// Share of failed tasks an update tolerates (0 to 1)
    #[arg(long, value_name = "RATIO")]
    pub update_max_failure_ratio: Option<String>,
    /// How long a new task is watched for failure (a new service has 5s)
    #[arg(long, value_name = "DURATION")]
    pub update_monitor: Option<String>,
    /// start-first or stop-first (a new service has stop-first)
    #[arg(long, value_name = "ORDER")]
    pub update_order: Option<String>,
    /// Tasks that get a new spec first; the others wait for 'service promote' (a new service has 0)
    #[arg(long, value_name = "COUNT")]
    pub update_canary: Option<String>,
    /// Time a new task has until it runs; then it counts as failed (a new service has 10m, 0s is for ever)
    #[arg(long, value_name = "DURATION")]
    pub update_progress_deadline: Option<String>,
    /// Tasks updated at the same time; 0 is all of them (a new service has 1)
    #[arg(long, value_name = "COUNT")]
    pub update_parallelism: Option<String>,
}

/// How rollbacks go.
#[derive(Debug, Default, Args)]
pub struct RollbackArgs {
    /// Wait after each task of a rollback (a new service has 0s)
    #[arg(long, value_name = "DURATION")]
    pub rollback_delay: Option<String>,
    /// When too many tasks fail: pause or continue (a new service has pause)
    #[arg(long, value_name = "ACTION")]
    pub rollback_failure_action: Option<String>,
    /// Share of failed tasks a rollback tolerates (0 to 1)
    #[arg(long, value_name = "RATIO")]
    pub rollback_max_failure_ratio: Option<String>,
    /// How long a task is watched for failure (a new service has 5s)
    #[arg(long, value_name = "DURATION")]
    pub rollback_monitor: Option<String>,
    /// start-first or stop-first (a new service has stop-first)
    #[arg(long, value_name = "ORDER")]
    pub rollback_order: Option<String>,
    /// Time a new task has until it runs; then it counts as failed (a new service has 10m, 0s is for ever)
    #[arg(long, value_name = "DURATION")]
    pub rollback_progress_deadline: Option<String>,
    /// Tasks rolled back at the same time; 0 is all of them (a new service has 1)
    #[arg(long, value_name = "COUNT")]
    pub rollback_parallelism: Option<String>,
}
