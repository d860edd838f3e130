//! `node ps`.

use super::Session;
use crate::{
    args::node::PsArgs,
    commands::task_list::{self, Of},
    error::CliError,
};

/// Lists the tasks on nodes.
pub async fn run(session: &Session, args: PsArgs) -> Result<(), CliError> {
    task_list::run(session, &args.tasks, Of::Nodes(args.nodes)).await
}
