//! `stack rm`.

use super::Session;
use crate::{args::stack::RmArgs, commands::several::Refusals, error::CliError};
use proto::wire::{GetStackRequest, RemoveStackRequest, RemoveStackResponse, Stack};
use std::time::Duration;
use tonic::Code;

/// How often it is looked whether a stack is gone.
const LOOK_EVERY: Duration = Duration::from_millis(200);
/// After how many looks it is told what is left.
const LOOKS_IN_SILENCE: u32 = 25;

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
        let mut looks = 0;
        loop {
            match client.control().get_stack(GetStackRequest { stack: stack.id.clone() }).await {
                Ok(left) => {
                    looks += 1;
                    if looks == LOOKS_IN_SILENCE {
                        session.printer.note(&left_words(&left.into_inner()));
                    }
                    tokio::time::sleep(LOOK_EVERY).await;
                }
                Err(status) if status.code() == Code::NotFound => break,
                Err(status) => return Err(CliError::cluster(status)),
            }
        }
    }
    refusals.finish()
}

/// What is still there of a stack.
fn left_words(stack: &Stack) -> String {
    let name = stack.spec.as_ref().map_or(stack.id.as_str(), |spec| &spec.name);
    format!(
        "shoal: stack {name} still has {} services whose tasks are being stopped, and {} networks; waiting (Ctrl-C stops \
         waiting, and the cluster goes on)",
        stack.service_ids.len(),
        stack.network_ids.len()
    )
}
