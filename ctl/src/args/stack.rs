//! `shoal stack`: services and networks from Compose files, made and removed as one.

use super::{
    list::{ListArgs, TaskListArgs},
    service::WaitArgs,
};
use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum StackCommand {
    /// Make a stack what its Compose files say
    #[command(visible_alias = "up")]
    Deploy(Box<DeployArgs>),
    /// Show what a deployment would change
    Diff(DiffArgs),
    /// Print Compose files as one, with everything filled in
    Config(ConfigArgs),
    /// List stacks
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    /// List the tasks of a stack
    Ps(PsArgs),
    /// List the services of a stack
    Services(ServicesArgs),
    /// Remove stacks
    #[command(visible_aliases = ["remove", "down"])]
    Rm(RmArgs),
}

const DEPLOYING: &str = "\
Everything is changed at once, or nothing is. What is wrong with the files is said all at once, each with file, line
and column, and so is what the cluster refuses. Then waits until every task runs, services in the order of their
depends_on; exits with 1 and the reasons if one fails. Ctrl-C stops waiting; the cluster goes on.

Examples:
  shoal stack deploy -c compose.yaml shop
  shoal stack deploy -c compose.yaml -c production.yaml --prune shop
  shoal stack deploy --dry-run -c compose.yaml shop
  docker compose config | shoal stack deploy -c - shop";

/// Which files make a project, and how they are read.
#[derive(Debug, Args)]
pub struct ProjectArgs {
    /// Compose file, '-' for standard input; several are merged [default: compose.yaml here, with its override]
    #[arg(short = 'c', long = "compose-file", value_name = "FILE", value_delimiter = ',')]
    pub files: Vec<String>,
    /// File of variables for ${NAME} in the files [default: .env beside the first file]
    #[arg(long = "env-file", value_name = "FILE")]
    pub env_files: Vec<String>,
    /// Profile whose services are part of it too ('*' is all) [default: those of COMPOSE_PROFILES]
    #[arg(long = "profile", value_name = "NAME")]
    pub profiles: Vec<String>,
    /// Folder that paths in the files are relative to [default: that of the first file]
    #[arg(long, value_name = "FOLDER")]
    pub project_directory: Option<String>,
}

/// Options of `stack deploy`.
#[derive(Debug, Args)]
#[command(after_help = DEPLOYING)]
pub struct DeployArgs {
    /// Which files.
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Remove what belongs to the stack and is not in the files any more
    #[arg(long)]
    pub prune: bool,
    /// Change nothing: show what would change, which tasks would be replaced, and where they would go
    #[arg(long)]
    pub dry_run: bool,
    /// Taken for docker's sake: nodes look images up when they need them
    #[arg(long, hide = true, value_name = "WHEN")]
    pub resolve_image: Option<String>,
    /// Taken for docker's sake
    #[arg(long, hide = true)]
    pub with_registry_auth: bool,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// Name of the stack [default: the name: of the files]
    pub stack: Option<String>,
}

/// Options of `stack diff`.
#[derive(Debug, Args)]
pub struct DiffArgs {
    /// Which files.
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Count what is not in the files any more as removed, as 'stack deploy --prune' would
    #[arg(long)]
    pub prune: bool,
    /// Exit with 1 if anything would change
    #[arg(long)]
    pub exit_code: bool,
    /// Name of the stack [default: the name: of the files]
    pub stack: Option<String>,
}

/// Options of `stack config`.
#[derive(Debug, Args)]
pub struct ConfigArgs {
    /// Which files.
    #[command(flatten)]
    pub project: ProjectArgs,
    /// Print nothing, only say what is wrong
    #[arg(short, long)]
    pub quiet: bool,
}

/// Options of `stack ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Options of every list. Filters: id, name.
    #[command(flatten)]
    pub list: ListArgs,
}

/// Options of `stack ps`.
#[derive(Debug, Args)]
pub struct PsArgs {
    /// Options of every list of tasks. Filters: desired-state, id, name, node.
    #[command(flatten)]
    pub tasks: TaskListArgs,
    /// The stack by id or name
    pub stack: String,
}

/// Options of `stack services`.
#[derive(Debug, Args)]
pub struct ServicesArgs {
    /// Options of every list. Filters: id, label, mode, name.
    #[command(flatten)]
    pub list: ListArgs,
    /// The stack by id or name
    pub stack: String,
}

/// Options of `stack rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Exit at once instead of waiting until everything is gone
    #[arg(short, long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    #[arg(action = clap::ArgAction::Set, hide_possible_values = true, hide_default_value = true)]
    pub detach: bool,
    /// Stacks by id or name
    #[arg(required = true, value_name = "STACK")]
    pub stacks: Vec<String>,
}
