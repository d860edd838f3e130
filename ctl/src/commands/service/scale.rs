//! `service scale`.

use super::{Session, converge, edit::edit};
use crate::{
    args::service::ScaleArgs, commands::several::Refusals, error::CliError, output::progress::Goal,
    parse::number, spec::set_total,
};
use proto::{
    model::Problems,
    wire::{
        ServiceSpec,
        service_spec::{Mode, Replicated},
    },
};

/// Sets the number of replicas of services and waits for them.
pub async fn run(session: &Session, args: ScaleArgs) -> Result<(), CliError> {
    let targets = targets(&args.targets)?;
    let client = session.client().await?;
    let mut refusals = Refusals::default();
    let mut scaled = Vec::new();
    for (name, replicas) in targets {
        if let Some(service) = refusals.take(edit(&client, &name, |spec| scale(spec, replicas)).await)? {
            session.printer.line(&format!("{name} scaled to {replicas}"))?;
            scaled.push(service);
        }
    }
    for service in scaled {
        converge::wait(session, client.clone(), &service, Goal::Spec, &args.wait).await?;
    }
    refusals.finish()
}

/// Reads every `SERVICE=REPLICAS`.
fn targets(texts: &[String]) -> Result<Vec<(String, u32)>, Problems> {
    let mut problems = Problems::default();
    let mut targets = Vec::new();
    for text in texts {
        match text.split_once('=') {
            Some((name, count)) if !name.is_empty() => {
                targets
                    .extend(problems.take(name, number::count(count)).map(|count| (name.to_owned(), count)));
            }
            _ => problems.add(text, "write SERVICE=REPLICAS, such as web=3"),
        }
    }
    problems.finish(targets)
}

fn scale(spec: &mut ServiceSpec, replicas: u32) -> Result<(), Problems> {
    let mut problems = Problems::default();
    match spec.mode {
        Some(Mode::ReplicatedJob(ref mut job)) => set_total(job, replicas),
        Some(Mode::Global(_) | Mode::GlobalJob(_)) => {
            problems.add(&*spec.name, "a global service has one task on each node and can't be scaled");
        }
        _ => spec.mode = Some(Mode::Replicated(Replicated { replicas })),
    }
    problems.finish(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures;

    #[test]
    fn every_wrong_target_is_told() {
        let read = |texts: &[&str]| targets(&texts.iter().map(ToString::to_string).collect::<Vec<_>>());
        assert_eq!(read(&["web=3", "db=0"]), Ok(vec![("web".into(), 3), ("db".into(), 0)]));
        let problems = read(&["web", "db=x", "=1"]).unwrap_err();
        assert_eq!(problems.0.len(), 3);
        assert!(problems.to_string().starts_with("web: write SERVICE=REPLICAS"), "{problems}");
    }

    #[test]
    fn a_global_service_can_not_be_scaled() {
        let mut spec = fixtures::service("agent", Mode::Global(Default::default())).spec.unwrap();
        assert!(scale(&mut spec, 3).is_err());
        let mut spec = fixtures::web().spec.unwrap();
        scale(&mut spec, 7).unwrap();
        assert_eq!(spec.mode, Some(Mode::Replicated(Replicated { replicas: 7 })));
    }
}
