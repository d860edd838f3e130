//! `secret ls` and `config ls`.

use super::Session;
use crate::{
    args::list::ListArgs,
    error::CliError,
    output::{listing, payloads, times},
    parse::filters::Filters,
};
use proto::{
    model::PayloadKind,
    wire::{self, ListPayloadsRequest},
};

/// Lists secrets or configs.
pub async fn run(session: &Session, kind: PayloadKind, args: ListArgs) -> Result<(), CliError> {
    let filters = Filters::checked(&args.filters, payloads::FILTERS, |_, _| {})?;
    let mut control = session.client().await?.control();
    let request = ListPayloadsRequest { kind: wire::PayloadKind::from(kind).into() };
    let all = control.list_payloads(request).await.map_err(CliError::cluster)?.into_inner().payloads;
    let listing = payloads::listing(kind);
    let format = listing::Format::choose(listing, args.format.as_deref(), args.quiet);
    let rows = payloads::rows(all, &filters, times::now_ms());
    Ok(session.printer.data(listing::render(listing, &format, rows)?)?)
}
