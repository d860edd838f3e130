//! `completion`: the script that lets a shell complete our commands.

use super::Session;
use crate::{
    args::{Cli, system::CompletionArgs},
    error::CliError,
};
use clap::CommandFactory;

/// Prints the script.
pub fn run(session: &Session, args: &CompletionArgs) -> Result<(), CliError> {
    let mut script = Vec::new();
    clap_complete::generate(args.shell, &mut Cli::command(), "shoal", &mut script);
    Ok(session.printer.data(script)?)
}
