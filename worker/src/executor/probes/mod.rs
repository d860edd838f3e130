//! Makes the probes of a container, when [`Health`] says so, and tells what it finds.

mod http;
mod inside;
mod peer;
#[cfg(test)]
mod tests;

use super::node::Node;
use futures::{StreamExt, future::OptionFuture, stream::FuturesUnordered};
use peer::Peer;
use proto::model::{ProbeKind, ProbeRole, Task, TaskId, TaskState};
use std::{sync::Arc, time::Duration};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tracing::debug;
use worker_core::{
    agent::Outcome,
    health::{Answer, Check, Health, Plan},
};

/// Who is probed.
struct Subject {
    node: Arc<Node>,
    task: TaskId,
    peer: Peer,
}

/// Probes a container that runs until this is dropped.
pub(super) async fn run(
    node: Arc<Node>,
    task: Box<Task>,
    plan: Plan,
    outcomes: mpsc::Sender<(TaskId, Outcome)>,
) {
    let begun = Instant::now();
    let mut health = match task.status.state {
        TaskState::Running => Health::resumed(plan, task.status.is_ready(), Duration::ZERO),
        _ => Health::new(plan, Duration::ZERO),
    };
    let subject = Subject { peer: Peer::of(&node, task.id), node, task: task.id };
    let mut asked = FuturesUnordered::new();
    loop {
        asked.extend(health.due(begun.elapsed()).into_iter().map(|(role, check)| ask(&subject, role, check)));
        let next = OptionFuture::from(health.next().map(|at| sleep_until(begun + at)));
        tokio::select! {
            Some((role, answer)) = asked.next() => {
                debug!(task = %task.id, role = role.as_str(), ?answer, "probed");
                if let Some(found) = health.answered(role, answer, begun.elapsed()) {
                    // Nobody listens only when the daemon is ending.
                    let _ = outcomes.send((task.id, Outcome::Probed(found))).await;
                }
            }
            Some(()) = next => {}
            // Every probe is answered sooner or later, so one of the two comes.
            else => return,
        }
    }
}

async fn ask(subject: &Subject, role: ProbeRole, check: Check) -> (ProbeRole, Answer) {
    let timeout = check.timeout;
    let answer = async {
        match check.kind {
            ProbeKind::Exec(args) => inside::run(subject, args, timeout).await,
            ProbeKind::Shell(command) => {
                inside::run(subject, vec!["/bin/sh".into(), "-c".into(), command], timeout).await
            }
            ProbeKind::Tcp { port } => subject.peer.connect(port).await.map(|_| "connected".to_owned()),
            ProbeKind::Http { port, path, tls } => http::get(&subject.peer, port, &path, tls).await,
            ProbeKind::Grpc { port, service } => peer::grpc_check(&subject.peer, port, service).await,
            ProbeKind::Image | ProbeKind::Disabled => Err("there is nothing to probe".to_owned()),
        }
    };
    // What runs inside ends by itself, and says what it wrote until then.
    let longest = timeout + Duration::from_secs(1);
    let done = tokio::time::timeout(longest, answer).await;
    let late = || Err(format!("no answer within {timeout:?}"));
    let answer = match done.unwrap_or_else(|_| late()) {
        Ok(seen) => Answer { passed: true, seen },
        Err(seen) => Answer { passed: false, seen },
    };
    (role, answer)
}
