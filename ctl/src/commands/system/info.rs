//! `system info`.

use super::Session;
use crate::{
    args::system::InfoArgs,
    commands::inspection,
    error::CliError,
    output::info::{Info, text},
};
use proto::wire::InfoRequest;

/// Shows what this node is.
pub async fn run(session: &Session, args: InfoArgs) -> Result<(), CliError> {
    let mut node = session.client().await?.node();
    let info = node.info(InfoRequest {}).await.map_err(CliError::node)?.into_inner();
    match args.format.as_deref() {
        None => Ok(session.printer.data(text(&info))?),
        format => inspection::print(session, &[Info::from(info)], format),
    }
}
