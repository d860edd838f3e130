//! `shoal up` and `shoal down`: a development cluster on this machine.

use super::Session;
use crate::{
    args::dev::{DownArgs, UpArgs},
    error::CliError,
};
use dev_cluster::{Down, DownOptions, UpOptions};
use proto::model::Problems;
use std::env;

/// Brings a development cluster up.
pub async fn up(session: &Session, args: UpArgs) -> Result<(), CliError> {
    let program = env::current_exe().map_err(CliError::Program)?;
    let mut options = UpOptions::new(&args.name, program);
    options.managers = args.managers;
    options.workers = args.workers;
    options.host_link = !args.no_host_link;
    options.daemon_args = args.daemon_args;
    if let Some(subnet) = &args.subnet {
        let mut problems = Problems::default();
        options.subnet = problems.take("--subnet", subnet.parse());
        problems.finish(())?;
    }
    let up = dev_cluster::up(options, &|line| session.printer.note(line)).await.map_err(Box::new)?;
    for note in &up.notes {
        session.printer.note(&format!("note: {note}"));
    }
    if !up.changed {
        session.printer.note(&format!("cluster `{}` is up already", up.cluster.name()));
    }
    for node in up.cluster.nodes() {
        session.printer.line(&format!(
            "{}\t{}\tunix://{}",
            node.name(),
            node.addr(),
            node.socket().display()
        ))?;
    }
    Ok(())
}

/// Takes a development cluster down.
pub async fn down(session: &Session, args: DownArgs) -> Result<(), CliError> {
    let options = DownOptions { keep_data: args.keep_data, ..DownOptions::new(&args.name) };
    match dev_cluster::down(options, &|line| session.printer.note(line)).await.map_err(Box::new)? {
        Down::Removed => session.printer.note(&format!("cluster `{}` is down", args.name)),
        Down::Nothing => session.printer.note(&format!("there is no cluster `{}`", args.name)),
    }
    Ok(())
}
