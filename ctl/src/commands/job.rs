//! `shoal job`.

use super::{
    Session,
    service::{converge::Watch, create, logs},
};
use crate::{
    args::{
        job::{JobCommand, RunArgs},
        service::{CreateArgs, LogsArgs},
    },
    client::Client,
    error::{CliError, JobFailed},
};
use proto::{
    model::Problems,
    wire::{RemoveServiceRequest, Service, ServiceView, Task},
};
use std::pin::pin;

/// Carries a command out.
pub async fn run(session: &Session, command: JobCommand) -> Result<(), CliError> {
    match command {
        JobCommand::Run(args) => run_job(session, *args).await,
    }
}

/// Creates a job; if asked to, waits for its end, prints its output, and fails as its tasks did.
async fn run_job(session: &Session, mut args: RunArgs) -> Result<(), CliError> {
    check(&args)?;
    as_job(&mut args.create);
    let spec = create::spec_of(&args.create)?;
    let client = session.client().await?;
    let service = create::made(&client, args.create.name.is_some(), spec).await?;
    if !args.wait {
        return Ok(session.printer.line(&service.id)?);
    }
    if !args.create.wait.quiet {
        let name = service.spec.as_ref().map_or("", |spec| &spec.name);
        session.printer.note(&format!("shoal: waiting for job {name}"));
    }
    let Some(view) = end(session, &client, &service).await? else { return Ok(()) };
    logs::run(session, output_of(&service)).await?;
    if args.rm {
        let request = RemoveServiceRequest { service: service.id.clone() };
        client.control().remove_service(request).await.map_err(CliError::cluster)?;
    }
    failure(&view).map_or(Ok(()), |failed| Err(failed.into()))
}

fn check(args: &RunArgs) -> Result<(), Problems> {
    let mut problems = Problems::default();
    if args.wait && args.create.task.job_ttl.is_some() {
        problems
            .add("--job-ttl", "with --wait the job could be gone before it is looked at: use --rm instead");
    }
    problems.finish(())
}

/// What is different from `service create`: the mode, and one try unless more are asked for.
fn as_job(args: &mut CreateArgs) {
    for (word, job) in [("replicated", "replicated-job"), ("global", "global-job")] {
        if args.mode == word {
            args.mode = job.to_owned();
        }
    }
    args.task.restart.restart_condition.get_or_insert_with(|| "none".to_owned());
}

/// Waits until the job has ended; `None` if it is not waited for any more.
async fn end(session: &Session, client: &Client, service: &Service) -> Result<Option<ServiceView>, CliError> {
    let mut watch = Watch::new(session, client.clone(), service);
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    loop {
        let view = tokio::select! {
            // A view is taken from the stream whole or not at all.
            view = watch.next() => view?,
            signal = &mut interrupted => {
                signal.map_err(CliError::Signal)?;
                session.printer.note("shoal: stopped waiting; the job goes on");
                return Ok(None);
            }
        };
        let run = view.service.as_ref().and_then(|service| service.job.as_ref());
        if run.is_some_and(|run| run.ended_at.is_some()) {
            return Ok(Some(view));
        }
    }
}

/// Everything that its tasks wrote, as they wrote it.
fn output_of(service: &Service) -> LogsArgs {
    LogsArgs {
        follow: false,
        no_resolve: true,
        no_task_ids: true,
        no_trunc: true,
        raw: true,
        since: None,
        tail: "all".to_owned(),
        timestamps: false,
        target: service.id.clone(),
    }
}

/// Why the job failed, if it did, with the code of the task that failed last.
fn failure(view: &ServiceView) -> Option<JobFailed> {
    let service = view.service.as_ref()?;
    let reason = &service.job.as_ref()?.failure;
    let code = |task: &Task| task.status.as_ref().and_then(|status| status.exit_code);
    let failed = view.tasks.iter().filter(|task| code(task).is_some_and(|code| code != 0));
    let last = failed.max_by_key(|task| task.created_at).and_then(code);
    (!reason.is_empty()).then(|| JobFailed {
        job: service.spec.as_ref().map(|spec| spec.name.clone()).unwrap_or_default(),
        reason: reason.clone(),
        code: last.and_then(|code| u8::try_from(code).ok()).unwrap_or(1),
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures;
    use proto::wire::{JobStatus, TaskState};

    #[test]
    fn a_job_fails_with_the_code_of_the_task_that_failed_last() {
        let task = |created_at, exit_code| {
            let mut task = Task { created_at, ..fixtures::task("task1", "0", TaskState::Failed) };
            task.status.get_or_insert_default().exit_code = exit_code;
            task
        };
        let view = |failure: &str, tasks| {
            let run = JobStatus { ended_at: Some(1), failure: failure.into(), ..Default::default() };
            ServiceView { service: Some(Service { job: Some(run), ..fixtures::web() }), tasks }
        };
        let tasks = || vec![task(1, Some(4)), task(2, Some(7)), task(3, Some(0)), task(4, None)];
        assert_eq!(failure(&view("why", tasks())).unwrap().code, 7);
        assert_eq!(failure(&view("why", vec![task(4, None)])).unwrap().code, 1);
        assert!(failure(&view("", tasks())).is_none());
    }
}
