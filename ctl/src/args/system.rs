//! `shoal system`, and what is about the program itself.

use clap::{Args, Subcommand};
use clap_complete::Shell;
use std::path::PathBuf;

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum SystemCommand {
    /// Show what this node is
    Info(InfoArgs),
    /// Show the versions of client and daemon
    Version(VersionArgs),
    /// Check whether this machine has what a node needs
    Check(CheckArgs),
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

/// Options of `system check`.
#[derive(Debug, Args)]
pub struct CheckArgs {
    /// Where the daemon is going to keep everything
    #[arg(long, value_name = "DIR", default_value = "/var/lib/shoal")]
    pub data_dir: PathBuf,
    /// Address a manager is going to listen at (ADDRESS[:PORT]) [default: 0.0.0.0:2377]
    #[arg(long, value_name = "ADDRESS")]
    pub listen_addr: Option<String>,
    /// 'json' or a Go template, for each check
    #[arg(short, long)]
    pub format: Option<String>,
}

/// Options of `completion`.
#[derive(Debug, Args)]
pub struct CompletionArgs {
    /// The shell
    pub shell: Shell,
}
