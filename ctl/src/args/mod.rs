//! The grammar of the command line: docker's commands and options, as far as the cluster carries them.
//!
//! Values are kept as text here. [`crate::parse`] reads them, so that everything that is wrong with a
//! command can be said at once.

pub mod daemon;
pub mod dev;
pub mod image;
pub mod job;
pub mod list;
pub mod network;
pub mod node;
pub mod payload;
pub mod service;
pub mod stack;
pub mod swarm;
pub mod system;

use clap::{Parser, Subcommand};

/// Runs services on a cluster of machines, as Docker Swarm does.
#[derive(Debug, Parser)]
#[command(name = "shoal", version, arg_required_else_help = true, max_term_width = 100)]
#[command(after_help = "Run 'shoal COMMAND --help' for more on a command.")]
pub struct Cli {
    /// Socket of the daemon to talk to [default: /run/shoal/shoal.sock, else a development cluster's]
    // Before the command only, as in docker: services have a --host of their own.
    #[arg(short = 'H', long, env = "SHOAL_HOST", value_name = "unix:///PATH", hide_env_values = true)]
    pub host: Option<String>,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

/// The nouns, and docker's short forms.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Make, join and manage the cluster
    #[command(subcommand)]
    Swarm(swarm::SwarmCommand),
    /// Manage nodes
    #[command(subcommand)]
    Node(node::NodeCommand),
    /// Manage services
    #[command(subcommand)]
    Service(service::ServiceCommand),
    /// Run commands to their end
    #[command(subcommand)]
    Job(job::JobCommand),
    /// Manage stacks: services and networks from Compose files
    #[command(subcommand)]
    Stack(stack::StackCommand),
    /// Manage networks
    #[command(subcommand)]
    Network(network::NetworkCommand),
    /// Manage secrets, which only the containers they are for can read
    #[command(subcommand)]
    Secret(payload::SecretCommand),
    /// Manage configs, which containers find as files
    #[command(subcommand)]
    Config(payload::ConfigCommand),
    /// Manage the images of this node
    #[command(subcommand)]
    Image(image::ImageCommand),
    /// Look at this node
    #[command(subcommand)]
    System(system::SystemCommand),
    /// List images (same as 'image ls')
    Images(image::LsArgs),
    /// Load an image from an archive (same as 'image load')
    Load(image::LoadArgs),
    /// Download an image from a registry (same as 'image pull')
    Pull(image::PullArgs),
    /// Remove images (same as 'image rm')
    Rmi(image::RmArgs),
    /// Show what this node is (same as 'system info')
    Info(system::InfoArgs),
    /// Show the versions of client and daemon
    Version(system::VersionArgs),
    /// Start a development cluster on this machine
    Up(dev::UpArgs),
    /// Remove every trace of the development cluster
    Down(dev::DownArgs),
    /// Run this node's daemon
    Daemon(daemon::DaemonArgs),
    /// Print a completion script for a shell
    Completion(system::CompletionArgs),
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::CommandFactory;

    #[test]
    fn the_grammar_contradicts_itself_nowhere() {
        Cli::command().debug_assert();
    }

    #[test]
    fn the_help_names_every_command() {
        let help = Cli::command().term_width(100).render_help().to_string();
        assert_eq!(help, include_str!("help.golden.txt"));
    }

    #[test]
    fn switches_can_be_turned_off_as_in_docker() {
        let words = ["shoal", "service", "update", "--read-only=false", "--detach=false", "web"];
        let Command::Service(service::ServiceCommand::Update(args)) =
            Cli::try_parse_from(words).unwrap().command
        else {
            panic!("not a service update");
        };
        assert_eq!((args.task.read_only, args.wait.detach), (Some(false), false));
    }
}
