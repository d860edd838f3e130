//! The command line of Shoal: docker's commands for a cluster, over the daemon's unix socket.
//!
//! [`args`] is the grammar, [`parse`] reads what people type, [`spec`] makes specs of it, [`output`]
//! makes texts of answers; all of them are pure. [`commands`] carries commands out.

#![deny(clippy::print_stdout, clippy::print_stderr)]

pub mod args;
pub mod client;
pub mod commands;
pub mod error;
pub mod names;
pub mod output;
pub mod parse;
pub mod printer;
pub mod spec;
pub mod stack;

use args::{Cli, Command};
use clap::Parser;
use commands::Session;
use printer::Printer;
use proto::wire::InfoRequest;
use std::process::ExitCode;

/// Runs the command in this process's arguments and says what to exit with: 0 if it was done, 1 if
/// it failed, 2 if it was written wrong.
pub fn run() -> ExitCode {
    let cli = Cli::parse();
    let session = Session { host: cli.host, printer: Printer::from_environment() };
    let command = match cli.command {
        // The daemon makes a runtime of its own.
        Command::Daemon(args) => return finish(&session, commands::daemon::run(args)),
        command => command,
    };
    // One thread is enough for one conversation, and starts in microseconds.
    let runtime = match tokio::runtime::Builder::new_current_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            session.printer.note(&format!("shoal: error: cannot start: {error}"));
            return ExitCode::FAILURE;
        }
    };
    let outcome = runtime.block_on(async {
        match commands::run(&session, command).await {
            Err(error) if error.may_be_about_this_node() => Err(explained(&session, error).await),
            outcome => outcome,
        }
    });
    // A blocking read of standard input can't be cancelled; it ends with the process.
    runtime.shutdown_background();
    finish(&session, outcome)
}

/// Says what went wrong, if anything did, and with what status to exit.
fn finish(session: &Session, outcome: Result<(), error::CliError>) -> ExitCode {
    let Err(error) = outcome else { return ExitCode::SUCCESS };
    let status = error.exit_status();
    if status != 0 {
        session.printer.failure(&error);
    }
    ExitCode::from(status)
}

/// Asks the node what it is, to explain a refusal. Without an answer the refusal stands as it is.
async fn explained(session: &Session, error: error::CliError) -> error::CliError {
    let Ok(client) = session.client().await else { return error };
    match client.node().info(InfoRequest {}).await {
        Ok(info) => error.with_info(&info.into_inner()),
        Err(_) => error,
    }
}
