//! `shoal system`, and what is about the program itself.

use clap::{Args, Subcommand};
use clap_complete::Shell;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum SystemCommand {
    /// Show what this node is
    Info(InfoArgs),
    /// Show the versions of client and daemon
    Version(VersionArgs),
}

/// Options of `system info`.
#[derive(Debug, Args)]
pub struct InfoArgs {
    /// 'json' or a Go template
    #[arg(short, long)]
    pub format: Option<String>,
}

/// Options of `system version`.
#[derive(Debug, Args)]
pub struct VersionArgs {
    /// 'json' or a Go template
    #[arg(short, long)]
    pub format: Option<String>,
}

/// Options of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell
    pub shell: Shell,
}
