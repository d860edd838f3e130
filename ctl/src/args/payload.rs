//! `shoal secret` and `shoal config`: what services find as files. The two differ in little.

use super::{
    list::{InspectArgs, ListArgs},
    service::WaitArgs,
};
use clap::{Args, Subcommand};

/// The verbs of secrets.
#[derive(Debug, Subcommand)]
pub enum SecretCommand {
    /// Create a secret from a file or standard input
    Create(SecretCreateArgs),
    /// List secrets
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show everything about secrets but what is in them
    Inspect(PayloadInspectArgs),
    /// Give a secret a new content, and bring that to the services that use it
    Update(UpdateArgs),
    /// Remove secrets
    #[command(visible_alias = "remove")]
    Rm(RmArgs),
}

/// The verbs of configs.
#[derive(Debug, Subcommand)]
pub enum ConfigCommand {
    /// Create a config from a file or standard input
    Create(CreateArgs),
    /// List configs
    #[command(visible_alias = "list")]
    Ls(ListArgs),
    /// Show everything about configs
    Inspect(PayloadInspectArgs),
    /// Give a config a new content, and bring that to the services that use it
    Update(UpdateArgs),
    /// Remove configs
    #[command(visible_alias = "remove")]
    Rm(RmArgs),
}

/// Options of `create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Labels (KEY=VALUE)
    #[arg(short, long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// golang: fill expressions in for each task, such as {{.Task.Slot}} or {{env "MODE"}}
    ///
    /// {{secret "TARGET"}} and {{config "TARGET"}} stand for what the task finds in another file, {{env "NAME"}} for a
    /// variable that its service sets, and {{.Service.ID}}, {{.Service.Name}}, {{.Service.Labels.NAME}}, {{.Node.ID}},
    /// {{.Node.Hostname}}, {{.Node.Platform.OS}}, {{.Node.Platform.Architecture}}, {{.Task.ID}}, {{.Task.Name}} and
    /// {{.Task.Slot}} for each task's own.
    #[arg(long, value_name = "DRIVER")]
    pub template_driver: Option<String>,
    /// Its name
    pub name: String,
    /// The file that has the content; - reads standard input
    #[arg(value_name = "FILE|-")]
    pub file: String,
}

/// Options of `secret create`.
#[derive(Debug, Args)]
pub struct SecretCreateArgs {
    /// Who keeps the secret; there is nobody but the managers
    #[arg(short, long)]
    pub driver: Option<String>,
    /// Options of every `create`.
    #[command(flatten)]
    pub create: CreateArgs,
}

/// Options of `inspect`.
#[derive(Debug, Args)]
pub struct PayloadInspectArgs {
    /// Options of every inspection.
    #[command(flatten)]
    pub inspect: InspectArgs,
    /// By id or name
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}

/// Options of `update`.
#[derive(Debug, Args)]
pub struct UpdateArgs {
    /// How a new content gets to services: restart, signal[=SIGNAL] or file
    ///
    /// restart updates each service that uses it, so that its tasks are replaced as its update options say; a rollback of
    /// the service brings the content before back. signal writes the new content into the files of running containers and
    /// sends a signal (SIGHUP) to their main processes. file only writes the files. These two take effect at once
    /// everywhere, and the content before is gone.
    #[arg(long, value_name = "HOW", default_value = "restart")]
    pub roll: String,
    /// Add or replace a label (KEY=VALUE)
    #[arg(long, value_name = "LABEL")]
    pub label_add: Vec<String>,
    /// Remove a label
    #[arg(long, value_name = "KEY")]
    pub label_rm: Vec<String>,
    /// Whether to wait for the services.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// By id or name
    pub name: String,
    /// The file that has the new content; - reads standard input [default: the content stays]
    #[arg(value_name = "FILE|-")]
    pub file: Option<String>,
}

/// Options of `rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// By id or name
    #[arg(required = true, value_name = "NAME")]
    pub names: Vec<String>,
}
