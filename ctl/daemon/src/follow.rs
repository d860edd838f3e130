//! Following what the managers want this node to be, and renewing its certificate in time.

use crate::{
    enrol,
    images::sentence,
    managers::Told,
    node::{Node, Parts},
};
use pki::NodeIdentity;
use proto::model::Role;
use std::time::{Duration, SystemTime};
use tokio::sync::watch;
use tracing::{info, warn};

/// Certificates are renewed at a random share of their life from here ...
const RENEW_SHARE_MIN: f64 = 0.5;
/// ... to here.
const RENEW_SHARE_MAX: f64 = 0.8;
/// Before a step that did not help is taken again; doubled with each time in a row.
const PAUSE_MIN: Duration = Duration::from_millis(200);
/// The longest pause.
const PAUSE_MAX: Duration = Duration::from_secs(60);
/// The longest wait without a look at the clock, which people may set.
const WAIT_MAX: Duration = Duration::from_secs(3600);

/// Follows until it is dropped.
pub(crate) async fn run(node: Node, parts: Parts) {
    let mut told = parts.managers.told();
    let mut renewal = Renewal::of(parts.credentials.identity());
    let mut pause = PAUSE_MIN;
    loop {
        let step = next_step(&view(&node, &parts, &mut renewal, &mut told));
        if let Step::Wait(span) = step {
            pause = PAUSE_MIN;
            wait(&mut told, span).await;
            continue;
        }
        if let Err(error) = take(step, &node, &parts).await {
            warn!(?step, error, "this node can't become what the managers want it to be; trying again");
        }
        // Taken again at once, a step that does nothing, such as asking for a certificate that comes with
        // the old role, would be taken for ever.
        if next_step(&view(&node, &parts, &mut renewal, &mut told)) == step {
            wait(&mut told, pause).await;
            pause = (pause * 2).min(PAUSE_MAX);
        } else {
            pause = PAUSE_MIN;
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
    /// Have the group take this node's manager in.
    JoinGroup,
    /// Stop the manager.
    Demote,
    /// Nothing for so long, or until the managers say something else.
    Wait(Duration),
}

/// What the next step depends on.
#[derive(Debug, Clone, Copy)]
struct View {
    /// What the certificate says this node is.
    certificate: Role,
    /// What it takes itself for.
    present: Role,
    /// Whether its manager runs.
    runs_manager: bool,
    /// What the managers say; `None` before they have said anything.
    told: Option<Told>,
    renew_at: SystemTime,
    now: SystemTime,
}

fn next_step(view: &View) -> Step {
    match view.told {
        // A manager that is being demoted goes on until the group has let it go: it may be needed for that.
        Some(Told { role: Role::Worker, in_group: false }) if view.present == Role::Manager => {
            if view.certificate == Role::Manager { Step::Renew } else { Step::Demote }
        }
        Some(Told { role: Role::Manager, .. }) if view.certificate == Role::Worker => Step::Renew,
        Some(Told { role: Role::Manager, .. }) if view.present == Role::Worker => Step::Promote,
        // Its join was cut short, or it was demoted and promoted again before it had become a worker.
        Some(Told { role: Role::Manager, in_group }) if !in_group || !view.runs_manager => Step::JoinGroup,
        _ => match view.renew_at.duration_since(view.now) {
            Ok(span) if !span.is_zero() => Step::Wait(span.min(WAIT_MAX)),
            _ => Step::Renew,
        },
    }
}

fn view(node: &Node, parts: &Parts, renewal: &mut Renewal, told: &mut watch::Receiver<Option<Told>>) -> View {
    let identity = parts.credentials.identity();
    if identity != renewal.of {
        *renewal = Renewal::of(identity);
    }
    View {
        certificate: identity.role,
        present: parts.managers.membership().role,
        runs_manager: node.runs_manager(),
        told: *told.borrow_and_update(),
        renew_at: renewal.at,
        now: SystemTime::now(),
    }
}

async fn take(step: Step, node: &Node, parts: &Parts) -> Result<(), String> {
    match step {
        Step::Renew => renew(node, parts).await,
        Step::Promote => node.promote(parts).await.map_err(|error| sentence(&error)),
        Step::JoinGroup => node.join_group(parts).await.map_err(|error| sentence(&error)),
        Step::Demote => node.demote(parts).await.map_err(|error| sentence(&error)),
        Step::Wait(_) => Ok(()),
    }
}

async fn renew(node: &Node, parts: &Parts) -> Result<(), String> {
    let channel = parts.managers.dial().map_err(|error| error.to_string())?;
    let (role, material) =
        enrol::renew(channel, &parts.credentials).await.map_err(|error| sentence(&error))?;
    node.renewed(parts, material).map_err(|error| sentence(&error))?;
    info!(%role, "certificate renewed");
    Ok(())
}

async fn wait(told: &mut watch::Receiver<Option<Told>>, span: Duration) {
    tokio::select! {
        // Both only say "look again". The sender lives as long as the node's parts.
        _ = told.changed() => {}
        () = tokio::time::sleep(span) => {}
    }
}

/// When a certificate is to be renewed: drawn once for each.
struct Renewal {
    of: NodeIdentity,
    at: SystemTime,
}

impl Renewal {
    fn of(identity: NodeIdentity) -> Self {
        Self { of: identity, at: identity.renew_at(random_share()) }
    }
}

/// A share of a certificate's life between the two bounds.
fn random_share() -> f64 {
    let mut byte = [0];
    // Without randomness the earliest moment is as good as any.
    let random = getrandom::fill(&mut byte).map_or(0, |()| byte[0]);
    RENEW_SHARE_MIN + (RENEW_SHARE_MAX - RENEW_SHARE_MIN) * f64::from(random) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: SystemTime = SystemTime::UNIX_EPOCH;

    /// A node that is as the managers want it, with a certificate that is good for another minute.
    fn at_rest(role: Role) -> View {
        View {
            certificate: role,
            present: role,
            runs_manager: role == Role::Manager,
            told: Some(Told { role, in_group: role == Role::Manager }),
            renew_at: NOW + Duration::from_secs(60),
            now: NOW,
        }
    }

    fn told(role: Role, in_group: bool) -> Option<Told> {
        Some(Told { role, in_group })
    }

    #[test]
    fn a_node_that_is_what_it_is_to_be_waits_for_its_renewal() {
        for role in [Role::Worker, Role::Manager] {
            let view = at_rest(role);
            assert_eq!(next_step(&view), Step::Wait(Duration::from_secs(60)));
            assert_eq!(next_step(&View { told: None, ..view }), Step::Wait(Duration::from_secs(60)));
            assert_eq!(next_step(&View { now: view.renew_at, ..view }), Step::Renew);
            assert_eq!(next_step(&View { now: view.renew_at + WAIT_MAX, ..view }), Step::Renew);
        }
    }

    #[test]
    fn a_long_wait_is_cut_so_that_a_clock_that_is_set_is_noticed() {
        let view = View { renew_at: NOW + 100 * WAIT_MAX, ..at_rest(Role::Worker) };
        assert_eq!(next_step(&view), Step::Wait(WAIT_MAX));
    }

    #[test]
    fn a_promoted_worker_gets_a_certificate_then_starts_a_manager_then_enters_the_group() {
        let mut view = View { told: told(Role::Manager, false), ..at_rest(Role::Worker) };
        assert_eq!(next_step(&view), Step::Renew);
        view.certificate = Role::Manager;
        assert_eq!(next_step(&view), Step::Promote);
        (view.present, view.runs_manager) = (Role::Manager, true);
        assert_eq!(next_step(&view), Step::JoinGroup);
        view.told = told(Role::Manager, true);
        assert!(matches!(next_step(&view), Step::Wait(_)));
    }

    #[test]
    fn a_demoted_manager_serves_until_the_group_has_let_it_go() {
        let mut view = View { told: told(Role::Worker, true), ..at_rest(Role::Manager) };
        assert!(matches!(next_step(&view), Step::Wait(_)));
        view.told = told(Role::Worker, false);
        assert_eq!(next_step(&view), Step::Renew);
        view.certificate = Role::Worker;
        assert_eq!(next_step(&view), Step::Demote);
        (view.present, view.runs_manager) = (Role::Worker, false);
        assert!(matches!(next_step(&view), Step::Wait(_)));
    }

    #[test]
    fn a_manager_whose_join_was_cut_short_asks_again() {
        let view = View { told: told(Role::Manager, false), ..at_rest(Role::Manager) };
        assert_eq!(next_step(&view), Step::JoinGroup);
    }

    #[test]
    fn a_manager_that_does_not_run_is_started_even_if_the_group_has_it() {
        let view = View { runs_manager: false, ..at_rest(Role::Manager) };
        assert_eq!(next_step(&view), Step::JoinGroup);
    }

    #[test]
    fn a_node_that_is_demoted_and_promoted_again_in_between_needs_a_managers_certificate_first() {
        let view =
            View { certificate: Role::Worker, told: told(Role::Manager, true), ..at_rest(Role::Manager) };
        assert_eq!(next_step(&view), Step::Renew);
    }

    #[test]
    fn renewals_are_spread_over_the_allowed_share_of_a_life() {
        for _ in 0..100 {
            assert!((RENEW_SHARE_MIN..=RENEW_SHARE_MAX).contains(&random_share()));
        }
    }
}
