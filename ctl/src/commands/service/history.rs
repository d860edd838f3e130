//! `service history`.

use super::Session;
use crate::{
    args::service::HistoryArgs,
    error::CliError,
    output::{history, inspect, json, listing, times},
    parse::{filters::Filters, number},
};
use proto::{model::Problems, wire::ServiceHistoryRequest};
use tonic::Status;

/// Shows the specs that a service had, or one of them.
pub async fn run(session: &Session, args: HistoryArgs) -> Result<(), CliError> {
    let filters = Filters::checked(&args.list.filters, history::FILTERS, |_, _| {})?;
    let mut problems = Problems::default();
    let wanted =
        args.revision.as_deref().and_then(|text| problems.take("--revision", number::revision(text)));
    problems.finish(())?;
    let request = ServiceHistoryRequest { service: args.service.clone() };
    let mut control = session.client().await?.control();
    let revisions = control.service_history(request).await.map_err(CliError::cluster)?.into_inner().revisions;
    if let Some(wanted) = wanted {
        let found = revisions.into_iter().find(|revision| revision.number == wanted);
        let spec = found.and_then(|revision| revision.spec);
        let missing = || {
            format!(
                "service {} has no revision {wanted}: `shoal service history` shows those it has",
                args.service
            )
        };
        let spec = spec.ok_or_else(|| CliError::cluster(Status::not_found(missing())))?;
        return Ok(session.printer.data(json::indented(&[inspect::spec(spec)])?)?);
    }
    let format = listing::Format::choose(&history::LISTING, args.list.format.as_deref(), args.list.quiet);
    let rows = history::rows(&revisions, &filters, times::now_ms());
    Ok(session.printer.data(listing::render(&history::LISTING, &format, rows)?)?)
}
