//! `service create`.

use super::{Session, converge, own_variable};
use crate::{
    args::service::CreateArgs,
    client::Client,
    error::CliError,
    names,
    output::progress::Goal,
    spec::{self, Surroundings},
};
use proto::{
    model::Problems,
    wire::{CreateServiceRequest, Service, ServiceSpec},
};
use tonic::Code;

/// How many names are made up before giving up; two in a row are taken once in millions of times.
const NAME_TRIES: usize = 5;

/// Creates a service and waits for it.
pub async fn run(session: &Session, args: CreateArgs) -> Result<(), CliError> {
    let spec = spec_of(&args)?;
    let client = session.client().await?;
    let service = made(&client, args.name.is_some(), spec).await?;
    session.printer.line(&service.id)?;
    converge::wait(session, client, &service, Goal::Spec, &args.wait).await
}

/// The spec that the options make.
pub fn spec_of(args: &CreateArgs) -> Result<ServiceSpec, Problems> {
    let read_file = |path: &str| std::fs::read_to_string(path);
    spec::create(args, &Surroundings { read_file: &read_file, variable: &own_variable })
}

/// Creates a service, under a name that is made up if it has none.
pub async fn made(client: &Client, is_named: bool, spec: ServiceSpec) -> Result<Service, CliError> {
    match is_named {
        true => create(client, spec).await,
        false => create_with_random_name(client, spec).await,
    }
}

async fn create(client: &Client, spec: ServiceSpec) -> Result<Service, CliError> {
    let request = CreateServiceRequest { spec: Some(spec) };
    Ok(client.control().create_service(request).await.map_err(CliError::cluster)?.into_inner())
}

async fn create_with_random_name(client: &Client, mut spec: ServiceSpec) -> Result<Service, CliError> {
    for _ in 1..NAME_TRIES {
        spec.name = names::random()?;
        match create(client, spec.clone()).await {
            Err(CliError::Cluster(refusals))
                if refusals.iter().all(|status| status.code() == Code::AlreadyExists) => {}
            outcome => return outcome,
        }
    }
    spec.name = names::random()?;
    create(client, spec).await
}
