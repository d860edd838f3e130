//! `network prune`.

use super::Session;
use crate::{
    args::network::PruneArgs,
    commands::{confirmation, several::Refusals},
    error::CliError,
    output::{networks, times},
    parse::filters::Filters,
};
use proto::wire::{ListNetworksRequest, RemoveNetworkRequest};
use tonic::Code;

/// Removes the networks that no service uses.
pub async fn run(session: &Session, args: PruneArgs) -> Result<(), CliError> {
    let now_ms = times::now_ms();
    let filters = Filters::checked(&args.filters, networks::PRUNE_FILTERS, |filters, problems| {
        networks::check_prune_filters(filters, now_ms, problems);
    })?;
    if !args.force {
        confirmation::ask(&session.printer, &question(&args.filters))?;
    }
    let mut control = session.client().await?.control();
    let all = control.list_networks(ListNetworksRequest {}).await.map_err(CliError::cluster)?.into_inner();
    let mut refusals = Refusals::default();
    let mut heading = Some("Deleted Networks:");
    for network in networks::unused(all.networks, &filters, now_ms) {
        // By its id, since another may have been made with its name meanwhile.
        let request = RemoveNetworkRequest { network: network.id.clone() };
        match control.remove_network(request).await {
            // Someone else was faster, or has begun to use it; or a service may go back to it.
            Err(status) if matches!(status.code(), Code::NotFound | Code::FailedPrecondition) => {}
            answer => {
                if refusals.take(answer.map_err(CliError::cluster))?.is_some() {
                    heading.take().map_or(Ok(()), |heading| session.printer.line(heading))?;
                    session.printer.line(networks::name(&network))?;
                }
            }
        }
    }
    refusals.finish()
}

fn question(filters: &[String]) -> String {
    let mut text =
        "WARNING! This will remove all custom networks not used by at least one service.\n".to_owned();
    if !filters.is_empty() {
        text += "Items to be pruned will be filtered with:\n";
        text.extend(filters.iter().map(|filter| format!("- {filter}\n")));
    }
    text + "Are you sure you want to continue?"
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_question_has_dockers_words() {
        let expected = "\
WARNING! This will remove all custom networks not used by at least one service.
Items to be pruned will be filtered with:
- label=team=a
Are you sure you want to continue?";
        assert_eq!(question(&["label=team=a".into()]), expected);
    }
}
