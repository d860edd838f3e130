//! `shoal job`: services whose tasks are to complete.

use super::service::CreateArgs;
use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum JobCommand {
    /// Create a job: a service whose tasks run to their end
    Run(Box<RunArgs>),
}

/// Options of `job run`.
#[derive(Debug, Args)]
pub struct RunArgs {
    /// Wait for its end, print what its tasks wrote, and exit with the code of one that failed
    #[arg(long)]
    pub wait: bool,
    /// Remove it then (with --wait)
    #[arg(long, requires = "wait")]
    pub rm: bool,
    /// Those of `service create`. The mode is replicated-job or global-job, and a task that fails is tried again only if
    /// --restart-condition says so.
    #[command(flatten)]
    pub create: CreateArgs,
}
