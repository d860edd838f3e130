//! `stack rm`.

use super::Session;
use crate::{args::stack::RmArgs, commands::several::Refusals, error::CliError};
use proto::wire::{GetStackRequest, RemoveStackRequest, RemoveStackResponse};
use std::time::Duration;
use tonic::Code;

/// How often it is looked whether a stack is gone.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// Removes stacks, and waits until nothing is left of them.
pub async fn run(session: &Session, args: RmArgs) -> Result<(), CliError> {
    let client = session.client().await?;
    let mut refusals = Refusals::default();
    let mut removed: Vec<RemoveStackResponse> = Vec::new();
    for stack in args.stacks {
        let answer = client.control().remove_stack(RemoveStackRequest { stack }).await;
        let Some(answer) = refusals.take(answer.map_err(CliError::cluster))? else { continue };
        let answer = answer.into_inner();
        let services = answer.services.iter().map(|name| format!("Removing service {name}"));
        let networks = answer.networks.iter().map(|name| format!("Removing network {name}"));
        for line in services.chain(networks) {
            session.printer.line(&line)?;
        }
        removed.push(answer);
    }
    for stack in removed.iter().filter(|_| !args.detach) {
        loop {
            let looked = client.control().get_stack(GetStackRequest { stack: stack.id.clone() }).await;
            match looked {
                Ok(_) => tokio::time::sleep(LOOK_EVERY).await,
                Err(status) if status.code() == Code::NotFound => break,
                Err(status) => return Err(CliError::cluster(status)),
            }
        }
    }
    refusals.finish()
}
