//! `secret update` and `config update`.

use super::{Session, content, get};
use crate::{
    args::payload::UpdateArgs,
    commands::{retry, service::converge},
    error::CliError,
    output::progress::Goal,
    spec,
};
use proto::{
    model::{PayloadKind, Problems},
    wire::{self, GetServiceRequest, Roll, UpdatePayloadRequest, UpdatePayloadResponse},
};

/// Gives a secret or config a new content or other labels, and waits for the services that are updated for it.
pub async fn run(session: &Session, kind: PayloadKind, args: UpdateArgs) -> Result<(), CliError> {
    let new = spec::new_content(kind, &args, &|path| content::read(kind, path))?;
    let client = session.client().await?;
    let changes_labels = !(args.label_add.is_empty() && args.label_rm.is_empty());
    let UpdatePayloadResponse { services, .. } = retry::while_stale(async || {
        let mut control = client.control();
        let found = get(&mut control, kind, &args.name).await?;
        let mut spec = found.spec.unwrap_or_default();
        let mut problems = Problems::default();
        spec::edit_labels(&mut spec, &args, &mut problems);
        problems.finish(())?;
        let request = UpdatePayloadRequest {
            kind: wire::PayloadKind::from(kind).into(),
            payload: found.id,
            version: found.version,
            content: new.content.clone(),
            roll: new.roll.into(),
            signal: new.signal.clone(),
            spec: Some(spec).filter(|_| changes_labels),
        };
        Ok(control.update_payload(request).await.map_err(CliError::cluster)?.into_inner())
    })
    .await?;
    session.printer.line(&args.name)?;
    if new.roll != Roll::Restart {
        return Ok(());
    }
    for service in services {
        let request = GetServiceRequest { service };
        let found = client.control().get_service(request).await.map_err(CliError::cluster)?.into_inner();
        if !args.wait.quiet {
            let name = found.spec.as_ref().map_or("", |spec| &spec.name);
            session.printer.note(&format!("shoal: service {name} is updated, since it uses the {kind}"));
        }
        converge::wait(session, client.clone(), &found, Goal::Spec, &args.wait).await?;
    }
    Ok(())
}
