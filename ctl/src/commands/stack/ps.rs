//! `stack ps`.

use super::{Session, task_list};
use crate::{args::stack::PsArgs, error::CliError};
use proto::wire::GetStackRequest;

/// Lists the tasks of a stack.
pub async fn run(session: &Session, args: PsArgs) -> Result<(), CliError> {
    let mut control = session.client().await?.control();
    let request = GetStackRequest { stack: args.stack };
    let stack = control.get_stack(request).await.map_err(CliError::cluster)?.into_inner();
    task_list::run(session, &args.tasks, task_list::Of::Stack(stack.service_ids)).await
}
