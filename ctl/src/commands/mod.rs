//! Commands carried out: options in, calls made, answers printed.

pub mod completion;
mod confirmation;
pub mod daemon;
pub mod dev;
pub mod image;
mod inspection;
pub mod job;
pub mod network;
pub mod node;
pub mod payload;
mod retry;
pub mod service;
mod several;
pub mod stack;
pub mod swarm;
pub mod system;
mod task_list;

use crate::{
    args::Command,
    client::{Client, ConnectError},
    error::CliError,
    printer::Printer,
};

/// What every command is given.
#[derive(Debug)]
pub struct Session {
    /// The socket that was named.
    pub host: Option<String>,
    /// Where output goes.
    pub printer: Printer,
}

impl Session {
    /// Connects to the daemon.
    pub async fn client(&self) -> Result<Client, ConnectError> {
        Client::connect(self.host.as_deref()).await
    }
}

/// Carries a command out.
pub async fn run(session: &Session, command: Command) -> Result<(), CliError> {
    match command {
        Command::Swarm(command) => swarm::run(session, command).await,
        Command::Node(command) => node::run(session, command).await,
        Command::Service(command) => service::run(session, command).await,
        Command::Job(command) => job::run(session, command).await,
        Command::Stack(command) => stack::run(session, command).await,
        Command::Network(command) => network::run(session, command).await,
        Command::Secret(command) => payload::secret(session, command).await,
        Command::Config(command) => payload::config(session, command).await,
        Command::Image(command) => image::run(session, command).await,
        Command::System(command) => system::run(session, command).await,
        Command::Images(args) => image::ls::run(session, args).await,
        Command::Load(args) => image::load::run(session, args).await,
        Command::Pull(args) => image::pull::run(session, args).await,
        Command::Rmi(args) => image::rm::run(session, args).await,
        Command::Info(args) => system::info::run(session, args).await,
        Command::Version(args) => system::version::run(session, args).await,
        Command::Up(args) => dev::up(session, args).await,
        Command::Down(args) => dev::down(session, args).await,
        // Taken care of before there was a runtime.
        Command::Daemon(_) => Ok(()),
        Command::Completion(args) => completion::run(session, &args),
    }
}
