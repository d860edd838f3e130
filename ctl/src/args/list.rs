//! Options that lists and inspections share.

use clap::Args;

/// Options of a list whose rows have short ids only.
#[derive(Debug, Args)]
pub struct ListArgs {
    /// Show only rows that match (KEY=VALUE; may be repeated)
    #[arg(short, long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// 'table', 'table TEMPLATE', 'json' or a Go template
    #[arg(long)]
    pub format: Option<String>,
    /// Only show ids
    #[arg(short, long)]
    pub quiet: bool,
}

/// Options of a list of tasks.
#[derive(Debug, Args)]
pub struct TaskListArgs {
    /// Options of every list.
    #[command(flatten)]
    pub list: ListArgs,
    /// Do not shorten ids, images and errors
    #[arg(long)]
    pub no_trunc: bool,
    /// Show ids instead of names
    #[arg(long)]
    pub no_resolve: bool,
}

/// Options of an inspection that also has a human form.
#[derive(Debug, Args)]
pub struct InspectArgs {
    /// 'json' or a Go template
    #[arg(short, long)]
    pub format: Option<String>,
    /// Print for people instead of programs
    #[arg(long, conflicts_with = "format")]
    pub pretty: bool,
}
