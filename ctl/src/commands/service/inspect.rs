//! `service inspect`.

use super::{Session, networks};
use crate::{
    args::service::ServiceInspectArgs,
    commands::{inspection, several::Refusals},
    error::CliError,
    output::{inspect::InspectedService, pretty, times},
};
use proto::wire::{GetServiceRequest, Service};
use tonic::Response;

/// Shows everything about services.
pub async fn run(session: &Session, args: ServiceInspectArgs) -> Result<(), CliError> {
    let mut control = session.client().await?.control();
    let mut refusals = Refusals::default();
    let mut found: Vec<Service> = Vec::new();
    for service in args.services {
        let answer = control.get_service(GetServiceRequest { service }).await.map_err(CliError::cluster);
        found.extend(refusals.take(answer)?.map(Response::into_inner));
    }
    if args.inspect.pretty {
        let now_ms = times::now_ms();
        let networks = networks::of(&mut control, &found).await?;
        let texts: Vec<String> =
            found.iter().map(|service| pretty::service(service, &networks, now_ms)).collect();
        session.printer.data(texts.join("\n"))?;
    } else {
        let found: Vec<InspectedService> = found.into_iter().map(Into::into).collect();
        inspection::print(session, &found, args.inspect.format.as_deref())?;
    }
    refusals.finish()
}
