//! Waiting until every service of a stack is as asked for, and showing how far they are.

use super::Session;
use crate::{
    client::Client,
    commands::service::{
        converge::{Watch, hostnames, not_converged, sleep_until},
        display::Display,
    },
    error::{CliError, StackNotConverged},
    output::{
        progress::{Failure, Goal, Outcome, Progress},
        stack_progress::{self, Part},
        times,
    },
};
use futures::stream::{self, StreamExt};
use proto::wire::Service;
use std::{pin::pin, time::Duration};

/// How long the others are looked at after one service has failed, so that what fails for the same reason is told too.
const FURTHER_FAILURES: Duration = Duration::from_secs(2);

/// Waits for all services.
pub async fn wait(
    session: &Session,
    client: Client,
    stack: &str,
    services: &[Service],
    quiet: bool,
) -> Result<(), CliError> {
    let mut parts = Vec::new();
    for service in services {
        let progress = Progress::new(Goal::Spec, service, hostnames(&client, service).await?);
        parts.push((progress, Part { name: service_name(service), step: None }));
    }
    let watches = services.iter().enumerate().map(|(nth, service)| {
        let watch = Watch::new(session, client.clone(), service);
        let views = stream::unfold(Some(watch), move |watch| async move {
            let mut watch = watch?;
            match watch.next().await {
                Ok(view) => Some(((nth, Ok(view)), Some(watch))),
                Err(error) => Some(((nth, Err(error)), None)),
            }
        });
        Box::pin(views)
    });
    let mut views = stream::select_all(watches);
    let mut display = Display::new(&session.printer, quiet);
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut failures: Vec<(usize, Failure)> = Vec::new();
    let mut give_up_ms: Option<i64> = None;
    loop {
        let look_again_ms =
            parts.iter().filter_map(|(_, part)| part.step.as_ref()?.look_again_ms).chain(give_up_ms).min();
        let now_ms = tokio::select! {
            // Views are taken from their streams whole or not at all.
            Some((nth, view)) = views.next() => {
                let now_ms = times::now_ms();
                let (progress, part) = &mut parts[nth];
                if let Some(step) = progress.view(&view?, now_ms) {
                    part.step = Some(step);
                }
                now_ms
            }
            () = sleep_until(look_again_ms) => times::now_ms(),
            signal = &mut interrupted => {
                signal.map_err(CliError::Signal)?;
                session.printer.note(&format!(
                    "shoal: stopped waiting; the cluster goes on with stack {stack}. Look at it with: shoal stack ps {stack}"
                ));
                return Ok(());
            }
        };
        for (nth, (progress, part)) in parts.iter_mut().enumerate() {
            part.step = progress.look(now_ms).or(part.step.take());
            if let Some(Outcome::Failed(failure)) = part.step.as_ref().and_then(|step| step.outcome.as_ref())
                && !failures.iter().any(|(known, _)| *known == nth)
            {
                failures.push((nth, failure.clone()));
            }
        }
        display.show(&stack_progress::together(parts.iter().map(|(_, part)| part)));
        let arrived = |step: &crate::output::progress::Step| {
            matches!(step.outcome, Some(Outcome::Converged | Outcome::Held(_)))
        };
        if parts.iter().all(|(_, part)| part.step.as_ref().is_some_and(arrived)) {
            for (_, part) in &parts {
                if let Some(Outcome::Held(why)) = part.step.as_ref().and_then(|step| step.outcome.as_ref()) {
                    session.printer.note(&format!("service {}: {why}", part.name));
                }
            }
            display.done(&format!("verify: Stack {stack} converged"));
            return Ok(());
        }
        if !failures.is_empty() {
            let until =
                *give_up_ms.get_or_insert(now_ms + i64::try_from(FURTHER_FAILURES.as_millis()).unwrap_or(0));
            let undecided =
                parts.iter().any(|(_, part)| part.step.as_ref().is_none_or(|step| step.outcome.is_none()));
            if now_ms >= until || !undecided {
                break;
            }
        }
    }
    let mut errors = Vec::new();
    for (nth, failure) in failures {
        errors.push(not_converged(&client, &services[nth], failure).await);
    }
    Err(StackNotConverged { stack: stack.to_owned(), services: errors }.into())
}

fn service_name(service: &Service) -> String {
    service.spec.as_ref().map_or_else(|| service.id.clone(), |spec| spec.name.clone())
}
