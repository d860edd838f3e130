//! `system check`.

use super::Session;
use crate::{args::system::CheckArgs, commands::inspection, error::CliError};
use preflight::Options;
use proto::model::Problems;

/// Shows what this machine lacks for being a node; fails if that is more than nothing.
pub async fn run(session: &Session, args: CheckArgs) -> Result<(), CliError> {
    let listen_addr =
        daemon::listen_addr(args.listen_addr.as_deref().unwrap_or_default()).map_err(|error| {
            let mut problems = Problems::default();
            problems.add("--listen-addr", error.to_string());
            problems
        })?;
    let options = Options { data_dir: args.data_dir, listen_addr, nft_program: "nft".into() };
    let checks = preflight::run(&options).await;
    match args.format.as_deref() {
        None => session.printer.data(preflight::table(&checks))?,
        format => inspection::print(session, &checks, format)?,
    }
    preflight::unfit(&checks).map_or(Ok(()), |unfit| Err(unfit.into()))
}
