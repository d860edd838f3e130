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
use proto::wire::{CreateServiceRequest, Service, ServiceSpec};
use tonic::Code;

/// How many names are made up before giving up; two in a row are taken once in millions of times.
const NAME_TRIES: usize = 5;

/// Creates a service and waits for it.
pub async fn run(session: &Session, args: CreateArgs) -> Result<(), CliError> {
    let read_file = |path: &str| std::fs::read_to_string(path);
    let spec = spec::create(&args, &Surroundings { read_file: &read_file, variable: &own_variable })?;
    let client = session.client().await?;
    let service = match args.name {
        Some(_) => create(&client, spec).await?,
        None => create_with_random_name(&client, spec).await?,
    };
    session.printer.line(&service.id)?;
    converge::wait(session, client, &service, Goal::Spec, &args.wait).await
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
