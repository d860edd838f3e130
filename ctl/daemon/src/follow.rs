//! Following what the managers want this node to be, and renewing its certificate in time.

use crate::{
    enrol,
    managers::Told,
    node::{Node, Parts},
};
use proto::model::Role;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tracing::{info, warn};

/// Certificates are renewed at a random share of their life from here ...
const RENEW_SHARE_MIN: f64 = 0.5;
/// ... to here.
const RENEW_SHARE_MAX: f64 = 0.8;
/// Before a step that failed is tried again; doubled with each failure in a row.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);

/// After the group has taken this node's manager in again, before it is asked once more.
const REJOIN_PAUSE: Duration = Duration::from_secs(1);

/// Follows until it is dropped.
pub(crate) async fn run(node: Node, parts: Parts) {
    let mut told = parts.managers.told();
    let mut pause = PAUSE_MIN;
    loop {
        let step = next_step(&parts, *told.borrow_and_update());
        let done = match step {
            Step::Renew => renew(&node, &parts).await,
            Step::Promote => node.promote(&parts).await.map_err(|error| error.to_string()),
            Step::Demote => node.demote(&parts).await.map_err(|error| error.to_string()),
            Step::Rejoin => match node.rejoin(&parts).await {
                Ok(()) => {
                    // Until the managers say so, which they do at once unless it is undone again.
                    wait(&mut told, SystemTime::now() + REJOIN_PAUSE).await;
                    Ok(())
                }
                Err(error) => Err(error.to_string()),
            },
            Step::Wait(until) => {
                wait(&mut told, until).await;
                Ok(())
            }
        };
        match done {
            Ok(()) => pause = PAUSE_MIN,
            Err(error) => {
                warn!(?step, error, "this node can't become what the managers want it to be; trying again");
                tokio::time::sleep(pause).await;
                pause = (pause * 2).min(PAUSE_MAX);
            }
        }
    }
}

/// What is to be done next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    /// Get a certificate that says what this node is to be.
    Renew,
    /// Start a manager.
    Promote,
    /// Stop the manager.
    Demote,
    /// Have the group take this node's manager in again.
    Rejoin,
    /// Nothing, until then or until the managers say something else.
    Wait(SystemTime),
}

fn next_step(parts: &Parts, told: Option<Told>) -> Step {
    let identity = parts.credentials.identity();
    let present = parts.managers.membership().role;
    let renew_at = identity.renew_at(random_share());
    match told {
        // A manager that is being demoted goes on until the group has let it go: it may be needed for that.
        Some(Told { role: Role::Worker, in_group: false }) if present == Role::Manager => {
            if identity.role == Role::Manager { Step::Renew } else { Step::Demote }
        }
        Some(Told { role: Role::Manager, .. }) if identity.role == Role::Worker => Step::Renew,
        Some(Told { role: Role::Manager, .. }) if present == Role::Worker => Step::Promote,
        // It was demoted and promoted again before it had become a worker.
        Some(Told { role: Role::Manager, in_group: false }) => Step::Rejoin,
        _ if renew_at <= SystemTime::now() => Step::Renew,
        _ => Step::Wait(renew_at),
    }
}

async fn renew(node: &Node, parts: &Parts) -> Result<(), String> {
    let channel = parts.managers.dial().map_err(|error| error.to_string())?;
    let (role, material) = enrol::renew(channel, &parts.credentials).await.map_err(|error| error.to_string())?;
    node.renewed(parts, material).map_err(|error| error.to_string())?;
    info!(%role, "certificate renewed");
    Ok(())
}

async fn wait(told: &mut watch::Receiver<Option<Told>>, until: SystemTime) {
    let span = until.duration_since(SystemTime::now()).unwrap_or(Duration::ZERO);
    tokio::select! {
        // Both only say "look again". The sender lives as long as the node's parts.
        _ = told.changed() => {}
        () = tokio::time::sleep(span) => {}
    }
}

/// A share of a certificate's life between the two bounds.
fn random_share() -> f64 {
    let mut byte = [0];
    // Without randomness the earliest moment is as good as any.
    let random = getrandom::fill(&mut byte).map_or(0, |()| byte[0]);
    RENEW_SHARE_MIN + (RENEW_SHARE_MAX - RENEW_SHARE_MIN) * f64::from(random) / 255.0
}
