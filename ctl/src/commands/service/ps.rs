//! `service ps`.

use super::Session;
use crate::{
    args::service::PsArgs,
    commands::task_list::{self, Of},
    error::CliError,
};

/// Lists the tasks of services.
pub async fn run(session: &Session, args: PsArgs) -> Result<(), CliError> {
    task_list::run(session, &args.tasks, Of::Services(args.services)).await
}
