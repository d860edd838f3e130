//! `shoal node`: the members of the cluster.

use super::list::{InspectArgs, ListArgs, TaskListArgs};
use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum NodeCommand {
    /// List nodes
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    /// Show everything about nodes
    Inspect(NodeInspectArgs),
    /// List the tasks on nodes
    Ps(PsArgs),
    /// Change what a node is to be
    Update(UpdateArgs),
    /// Make nodes managers
    Promote(NamesArgs),
    /// Make managers workers
    Demote(NamesArgs),
    /// Remove nodes from the cluster
    #[command(visible_alias = "remove")]
    Rm(RmArgs),
}

/// Options of `node ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Options of every list. Filters: id, label, membership, name, node.label, role.
    #[command(flatten)]
    pub list: ListArgs,
}

/// Options of `node inspect`.
#[derive(Debug, Args)]
pub struct NodeInspectArgs {
    /// Options of every inspection.
    #[command(flatten)]
    pub inspect: InspectArgs,
    /// Nodes by id or name; 'self' is the one that is asked
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<String>,
}

/// Options of `node ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Options of every list of tasks. Filters: desired-state, id, label, name.
    #[command(flatten)]
    pub tasks: TaskListArgs,
    /// Nodes by id or name
    #[arg(value_name = "NODE", default_value = "self")]
    pub nodes: Vec<String>,
}

/// Options of `node update`.
#[derive(Debug, Clone, Args)]
pub struct UpdateArgs {
    /// Whether tasks are placed on the node: active, pause or drain
    #[arg(long)]
    pub availability: Option<String>,
    /// Add or change a label (KEY=VALUE)
    #[arg(long, value_name = "LABEL")]
    pub label_add: Vec<String>,
    /// Remove a label
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
    /// What the node is to be: worker or manager
    #[arg(long)]
    pub role: Option<String>,
    /// The node by id or name
    pub node: String,
}

/// Nodes to promote or demote.
#[derive(Debug, Args)]
pub struct NamesArgs {
    /// Nodes by id or name
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<String>,
}

/// Options of `node rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Remove nodes that are not down; what their tasks hold is given to others
    #[arg(short, long)]
    pub force: bool,
    /// Nodes by id or name
    #[arg(required = true, value_name = "NODE")]
    pub nodes: Vec<String>,
}
