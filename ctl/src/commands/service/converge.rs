//! Waiting until a service is as asked for, and showing how far it is.

use super::{Session, display::Display, logs};
use crate::{
    args::service::WaitArgs,
    client::Client,
    error::{CliError, NotConverged},
    output::{
        nodes,
        progress::{Failure, Goal, Outcome, Progress},
        times,
    },
};
use proto::wire::{ListNodesRequest, Service, ServiceView, WatchServiceRequest, service_spec::Mode};
use std::{collections::BTreeMap, future::Future, pin::pin, time::Duration};
use tonic::{Code, Status, Streaming};

/// How often and how long after each other a lost watch is begun anew: a new leader is there within
/// a second or two, a daemon that is restarted a little later.
const WATCH_TRIES: usize = 40;
const WATCH_RETRY: Duration = Duration::from_millis(500);

/// Waits for the service, unless it is not to be waited for.
pub async fn wait(
    session: &Session,
    client: Client,
    service: &Service,
    goal: Goal,
    args: &WaitArgs,
) -> Result<(), CliError> {
    if args.detach {
        return Ok(());
    }
    let hostnames = hostnames(&client, service).await?;
    let mut progress = Progress::new(goal, service, hostnames);
    let mut display = Display::new(&session.printer, args.quiet);
    let mut watch = Watch::new(session, client, service);
    let mut interrupted = pin!(tokio::signal::ctrl_c());
    let mut look_again_ms = None;
    loop {
        let step = tokio::select! {
            // A view is taken from the stream whole or not at all; a watch that is being begun anew is
            // begun anew again.
            view = watch.next() => progress.view(&view?, times::now_ms()),
            () = sleep_until(look_again_ms) => progress.look(times::now_ms()),
            signal = &mut interrupted => {
                signal.map_err(CliError::Signal)?;
                session.printer.note(&format!(
                    "shoal: stopped waiting; the cluster goes on with service {0}. Look at it with: shoal service ps {0}",
                    name(service)
                ));
                return Ok(());
            }
        };
        let Some(step) = step else { continue };
        display.show(&step);
        look_again_ms = step.look_again_ms;
        match step.outcome {
            None => {}
            Some(Outcome::Converged) => {
                display.done(&format!("verify: Service {} converged", name(service)));
                return Ok(());
            }
            Some(Outcome::Held(message)) => {
                display.done(&format!(
                    "verify: {message}\n  shoal service promote {0}\n  shoal service rollback {0}",
                    name(service)
                ));
                return Ok(());
            }
            Some(Outcome::Failed(failure)) => {
                return Err(not_converged(&watch.client, service, failure).await.into());
            }
        }
    }
}

fn name(service: &Service) -> &str {
    service.spec.as_ref().map_or(&service.id, |spec| &spec.name)
}

/// Names of nodes, which only the tasks of global services are told apart by.
pub async fn hostnames(client: &Client, service: &Service) -> Result<BTreeMap<String, String>, CliError> {
    let mode = service.spec.as_ref().and_then(|spec| spec.mode);
    if !matches!(mode, Some(Mode::Global(_) | Mode::GlobalJob(_))) {
        return Ok(BTreeMap::new());
    }
    let answer = client.control().list_nodes(ListNodesRequest {}).await.map_err(CliError::cluster)?;
    let named = |node: &proto::wire::Node| (node.id.clone(), nodes::hostname(node).to_owned());
    Ok(answer.into_inner().nodes.iter().map(named).collect())
}

/// Sleeps until a time in milliseconds since 1970; without one, for ever.
pub fn sleep_until(at_ms: Option<i64>) -> impl Future<Output = ()> {
    let left = at_ms.map(|at| u64::try_from(at.saturating_sub(times::now_ms())).unwrap_or(0));
    async move {
        match left {
            Some(ms) => tokio::time::sleep(Duration::from_millis(ms)).await,
            None => std::future::pending().await,
        }
    }
}

/// The views of one service, across changes of leader.
pub struct Watch<'a> {
    session: &'a Session,
    client: Client,
    service: &'a Service,
    stream: Option<Streaming<ServiceView>>,
}

impl<'a> Watch<'a> {
    /// Watches a service from its present state on.
    pub fn new(session: &'a Session, client: Client, service: &'a Service) -> Self {
        Self { session, client, service, stream: None }
    }

    /// The next view. A call that is dropped loses none.
    pub async fn next(&mut self) -> Result<ServiceView, CliError> {
        for nth in 0..WATCH_TRIES {
            match self.try_next().await {
                Err(status) if status.code() == Code::Unavailable || is_broken(&status) => {
                    if nth == 0 {
                        self.session.printer.note("shoal: lost the managers, trying to reach them again");
                    }
                    self.stream = None;
                    tokio::time::sleep(WATCH_RETRY).await;
                    // The daemon may be on its way up again: the next try tells.
                    if let Ok(client) = self.session.client().await {
                        self.client = client;
                    }
                }
                outcome => return self.finish(outcome),
            }
        }
        let outcome = self.try_next().await;
        self.finish(outcome)
    }

    async fn try_next(&mut self) -> Result<Option<ServiceView>, Status> {
        if self.stream.is_none() {
            let request = WatchServiceRequest { service: self.service.id.clone() };
            self.stream = Some(self.client.control().watch_service(request).await?.into_inner());
        }
        match &mut self.stream {
            Some(stream) => stream.message().await,
            None => Ok(None),
        }
    }

    fn finish(&self, outcome: Result<Option<ServiceView>, Status>) -> Result<ServiceView, CliError> {
        match outcome {
            Ok(Some(view)) => Ok(view),
            Err(status) if status.code() != Code::NotFound => Err(CliError::cluster(status)),
            Ok(None) | Err(_) => Err(NotConverged {
                service: name(self.service).to_owned(),
                reason: "it was removed meanwhile".into(),
                log: Vec::new(),
            }
            .into()),
        }
    }
}

/// Whether the connection itself was lost.
fn is_broken(status: &Status) -> bool {
    std::error::Error::source(status).is_some_and(|source| source.is::<tonic::transport::Error>())
        || matches!(status.code(), Code::Unknown | Code::Cancelled)
}

/// Says why a service failed, with the end of the log that shows it best.
pub async fn not_converged(client: &Client, service: &Service, failure: Failure) -> NotConverged {
    let log = match failure.task {
        Some(task) => logs::last_lines(client, task).await,
        None => Vec::new(),
    };
    NotConverged { service: name(service).to_owned(), reason: failure.reason, log }
}
