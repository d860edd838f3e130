//! Secrets that come, get new contents, are used by services, and go.

use super::churn::{pick, services};
use crate::{payloads, requests::payload::remove, state::State, testing::Bench};
use proptest::{prelude::*, test_runner::TestCaseError};
use proto::model::{PayloadId, PayloadUse, Roll, payload::PAYLOAD_MODE};

/// One thing that happens to a secret. Numbers choose among what there is.
#[derive(Debug, Clone)]
pub(super) enum PayloadEvent {
    Create,
    Renew { payload: usize, roll: Roll },
    Use { service: usize, payload: usize },
    Leave { service: usize },
    Remove { payload: usize },
}

pub(super) fn event() -> impl Strategy<Value = PayloadEvent> {
    let which = 0usize..100;
    let roll = prop_oneof![3 => Just(Roll::Restart), 1 => Just(Roll::File)];
    prop_oneof![
        1 => Just(PayloadEvent::Create),
        3 => (which.clone(), roll).prop_map(|(payload, roll)| PayloadEvent::Renew { payload, roll }),
        3 => (which.clone(), which.clone()).prop_map(|(service, payload)| PayloadEvent::Use { service, payload }),
        1 => which.clone().prop_map(|service| PayloadEvent::Leave { service }),
        1 => which.prop_map(|payload| PayloadEvent::Remove { payload }),
    ]
}

/// Lets it happen; what makes no sense now does not.
pub(super) fn happen(bench: &mut Bench, event: PayloadEvent, number: u32) {
    match event {
        PayloadEvent::Create => {
            bench.add_secret(&format!("secret-{number}"), "content");
        }
        PayloadEvent::Renew { payload, roll } => {
            let Some(id) = pick(all(bench), payload) else { return };
            bench.update_payload(id, &format!("content {number}"), roll);
        }
        PayloadEvent::Use { service, payload } => {
            let (Some(service), Some(id)) = (pick(services(bench), service), pick(all(bench), payload))
            else {
                return;
            };
            let known = bench.payload(id);
            let (name, edition) = (known.spec.name.clone(), known.newest());
            let target = name.to_string();
            let used = PayloadUse { payload: id, name, edition, target, uid: 0, gid: 0, mode: PAYLOAD_MODE };
            bench.update(service, |spec| {
                spec.task.container.secrets.retain(|known| known.payload != id);
                spec.task.container.secrets.push(used);
            });
        }
        PayloadEvent::Leave { service } => {
            let Some(id) = pick(services(bench), service) else { return };
            bench.update(id, |spec| spec.task.container.secrets.clear());
        }
        PayloadEvent::Remove { payload } => {
            let Some(id) = pick(all(bench), payload) else { return };
            if let Ok(removal) = remove(&bench.state, &bench.payload(id)) {
                bench.apply(&removal);
            }
        }
    }
}

fn all(bench: &Bench) -> Vec<PayloadId> {
    bench.state.payloads().map(|payload| payload.id).collect()
}

/// What a service's next tasks are to find is there, also if it goes back by itself.
pub(super) fn check(state: &State) -> Result<(), TestCaseError> {
    for payload in state.payloads() {
        prop_assert!(payload.current(payload.newest()).is_some());
    }
    for service in state.services().filter(|service| !service.removing) {
        let before = service.previous.iter().map(|before| &before.spec);
        for spec in before.chain([&service.spec]) {
            let gone = payloads::gone(state, spec);
            prop_assert!(gone.is_none(), "{} lacks {gone:?}", spec.name);
        }
    }
    Ok(())
}

/// Without services only the newest contents are kept.
pub(super) fn check_nothing_kept(state: &State) -> Result<(), TestCaseError> {
    for payload in state.payloads() {
        prop_assert_eq!(payload.editions.len(), 1);
    }
    Ok(())
}
