//! `shoal service`: what runs on the cluster.

mod create;
mod health;
mod task;
mod update;

pub use create::CreateArgs;
pub use health::HealthArgs;
pub use task::{RestartArgs, RollbackArgs, RolloutArgs, TaskArgs};
pub use update::UpdateArgs;

use super::list::{InspectArgs, ListArgs, TaskListArgs};
use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum ServiceCommand {
    /// Create a service
    Create(Box<CreateArgs>),
    /// List services
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    /// List the tasks of services
    Ps(PsArgs),
    /// Show everything about services
    Inspect(ServiceInspectArgs),
    /// Set the number of replicas of services
    Scale(ScaleArgs),
    /// Change a service
    Update(Box<UpdateArgs>),
    /// Bring back the spec before the last update, or another that the service had
    Rollback(RollbackServiceArgs),
    /// Show the specs that a service had
    History(HistoryArgs),
    /// Show why nodes can have another task of a service, or can't, and what its tasks wait for
    Explain(ExplainArgs),
    /// Bring the spec of the canaries to the other tasks
    Promote(RolloutTargetArgs),
    /// Pause, resume or cancel an update or rollback
    #[command(subcommand)]
    Rollout(RolloutCommand),
    /// Remove services
    #[command(visible_alias = "remove")]
    Rm(RmArgs),
    /// Show the output of a service or task
    Logs(LogsArgs),
}

/// Whether to wait until the cluster is as asked for.
#[derive(Debug, Args)]
pub struct WaitArgs {
    /// Exit at once instead of waiting for the tasks to run
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    #[arg(action = clap::ArgAction::Set, hide_possible_values = true, hide_default_value = true)]
    pub detach: bool,
    /// Do not show progress
    #[arg(short, long)]
    pub quiet: bool,
}

/// Options of `service ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Options of every list. Filters: id, label, mode, name.
    #[command(flatten)]
    pub list: ListArgs,
}

/// Options of `service ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Options of every list of tasks. Filters: desired-state, id, name, node.
    #[command(flatten)]
    pub tasks: TaskListArgs,
    /// Services by id or name
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
}

/// Options of `service inspect`.
#[derive(Debug, Args)]
pub struct ServiceInspectArgs {
    /// Options of every inspection.
    #[command(flatten)]
    pub inspect: InspectArgs,
    /// Services by id or name
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
}

/// Options of `service scale`.
#[derive(Debug, Args)]
pub struct ScaleArgs {
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Services and how many replicas each is to have
    #[arg(required = true, value_name = "SERVICE=REPLICAS")]
    pub targets: Vec<String>,
}

/// Options of `service explain`.
#[derive(Debug, Args)]
pub struct ExplainArgs {
    /// Options of every list. Filters: fits (true or false), node.
    #[command(flatten)]
    pub list: ListArgs,
    /// The service by id or name
    pub service: String,
}

/// What can be done to a rollout.
#[derive(Debug, Subcommand)]
pub enum RolloutCommand {
    /// Replace no further task until it is resumed
    Pause(PauseArgs),
    /// Go on after a pause, or after tasks failed
    Resume(RolloutTargetArgs),
    /// End an update and bring back the spec before it
    Cancel(RolloutTargetArgs),
}

/// Options of `service rollout pause`.
#[derive(Debug, Args)]
pub struct PauseArgs {
    /// The service by id or name
    pub service: String,
}

/// Options of what brings a rollout on.
#[derive(Debug, Args)]
pub struct RolloutTargetArgs {
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The service by id or name
    pub service: String,
}

/// Options of `service history`.
#[derive(Debug, Args)]
pub struct HistoryArgs {
    /// Options of every list.
    #[command(flatten)]
    pub list: ListArgs,
    /// Show the spec of one revision as JSON
    #[arg(long, value_name = "REVISION", conflicts_with_all = ["format", "quiet", "filters"])]
    pub revision: Option<String>,
    /// The service by id or name
    pub service: String,
}

/// Options of `service rollback`.
#[derive(Debug, Args)]
pub struct RollbackServiceArgs {
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The revision to bring back, as 'service history' counts them
    #[arg(long, value_name = "REVISION")]
    pub to: Option<String>,
    /// Bring back the number of replicas too
    #[arg(long)]
    pub with_replicas: bool,
    /// The service by id or name
    pub service: String,
}

/// Options of `service rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Services by id or name
    #[arg(required = true, value_name = "SERVICE")]
    pub services: Vec<String>,
}

/// Options of `service logs`.
#[derive(Debug, Args)]
pub struct LogsArgs {
    /// Go on with what is written from now on
    #[arg(short, long)]
    pub follow: bool,
    /// Show ids of nodes instead of names
    #[arg(long)]
    pub no_resolve: bool,
    /// Leave ids of tasks out
    #[arg(long)]
    pub no_task_ids: bool,
    /// Do not shorten ids
    #[arg(long)]
    pub no_trunc: bool,
    /// Print lines as they were written, without names
    #[arg(long)]
    pub raw: bool,
    /// Only what was written since a time (2026-01-02T13:23:37Z) or a while ago (42m)
    #[arg(long, value_name = "TIME")]
    pub since: Option<String>,
    /// Lines to show from the end of each task's log, or 'all'
    #[arg(short = 'n', long, value_name = "LINES", default_value = "all")]
    pub tail: String,
    /// Show when each line was written
    #[arg(short, long)]
    pub timestamps: bool,
    /// A service by id or name, or a task by id
    #[arg(value_name = "SERVICE|TASK")]
    pub target: String,
}
