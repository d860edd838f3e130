//! `secret inspect` and `config inspect`.

use super::{Session, get};
use crate::{
    args::payload::PayloadInspectArgs,
    commands::{inspection, several::Refusals},
    error::CliError,
    output::{inspect::InspectedPayload, pretty},
};
use proto::model::PayloadKind;

/// Shows everything about secrets or configs; of secrets not what is in them.
pub async fn run(session: &Session, kind: PayloadKind, args: PayloadInspectArgs) -> Result<(), CliError> {
    let mut control = session.client().await?.control();
    let mut refusals = Refusals::default();
    let mut found = Vec::new();
    for name in args.names {
        found.extend(refusals.take(get(&mut control, kind, &name).await)?);
    }
    if args.inspect.pretty {
        session.printer.data(found.iter().map(pretty::payload).collect::<Vec<_>>().join("\n"))?;
    } else {
        let found: Vec<InspectedPayload> = found.into_iter().map(Into::into).collect();
        inspection::print(session, &found, args.inspect.format.as_deref())?;
    }
    refusals.finish()
}
