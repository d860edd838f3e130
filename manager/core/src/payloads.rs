//! Secrets and configs: who uses them, which of their contents are needed, and what a node is given of them.

use crate::{
    Decision,
    state::{Change, State},
};
use proto::model::{PayloadDelivery, PayloadId, PayloadKind, PayloadUse, Service, ServiceSpec, Task};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

/// Whether tasks of a spec find a payload.
pub fn uses(spec: &ServiceSpec, payload: PayloadId) -> bool {
    spec.task.container.payloads().any(|(_, used)| used.payload == payload)
}

/// The services that use a payload by their spec, or by the one before, to which they may go back by themselves; revisions
/// before that are no reason to keep one for ever. Those that are being removed need nothing any more: their tasks have
/// what they need.
pub fn users(state: &State, payload: PayloadId) -> impl Iterator<Item = &Arc<Service>> {
    let is_user = move |service: &&Arc<Service>| {
        let previous = service.previous.as_ref().is_some_and(|before| uses(&before.spec, payload));
        !service.removing && (uses(&service.spec, payload) || previous)
    };
    state.services().filter(is_user)
}

/// The first secret or config of a spec that is gone, or whose content is.
pub fn gone<'a>(state: &State, spec: &'a ServiceSpec) -> Option<(PayloadKind, &'a PayloadUse)> {
    let is_there = |used: &PayloadUse| {
        state.payload(used.payload).is_some_and(|payload| payload.current(used.edition).is_some())
    };
    spec.task.container.payloads().find(|(_, used)| !is_there(used))
}

/// Forgets contents that no service needs: neither for its tasks, nor to go back to.
pub fn decide(state: &State) -> Decision {
    let mut decision = Decision::default();
    let several: Vec<_> = state.payloads().filter(|payload| payload.editions.len() > 1).collect();
    if several.is_empty() {
        return decision;
    }
    let needed = needed(state);
    for payload in several {
        let is_needed = |number: u64| number == payload.newest() || needed.contains(&(payload.id, number));
        let editions: BTreeSet<u64> =
            payload.editions.keys().copied().filter(|&number| !is_needed(number)).collect();
        if !editions.is_empty() {
            decision.propose(None, [Change::DropEditions { payload: payload.id, editions }]);
        }
    }
    decision
}

/// The contents that services would give tasks, also those of the revisions to which a person may have them go back.
pub(crate) fn needed(state: &State) -> BTreeSet<(PayloadId, u64)> {
    let mut needed = BTreeSet::new();
    for service in state.services().filter(|service| !service.removing) {
        let revisions = service.revisions.iter().map(|revision| &revision.spec);
        let before = service.previous.iter().map(|before| &before.spec).chain(revisions);
        for (_, used) in before.chain([&service.spec]).flat_map(|spec| spec.task.container.payloads()) {
            let found = state.payload(used.payload).and_then(|payload| payload.current(used.edition));
            needed.extend(found.map(|(number, _)| (used.payload, number)));
        }
    }
    needed
}

/// What tasks need, by what their specs say: the number of the content that each is to find.
pub fn wanted_by<'a>(
    state: &State,
    tasks: impl Iterator<Item = &'a Arc<Task>>,
) -> BTreeMap<(PayloadId, u64), u64> {
    let mut wanted = BTreeMap::new();
    for task in tasks.filter(|task| !task.status.state.is_terminal()) {
        for (_, used) in task.spec.task.container.payloads() {
            let found = state.payload(used.payload).and_then(|payload| payload.current(used.edition));
            wanted.extend(found.map(|(number, _)| ((used.payload, used.edition), number)));
        }
    }
    wanted
}

/// What a node is given of an edition that its tasks need.
pub fn delivery(state: &State, key: (PayloadId, u64)) -> Option<PayloadDelivery> {
    let payload = state.payload(key.0)?;
    let (edition, found) = payload.current(key.1)?;
    let (content, signal) = (found.content.clone(), found.roll.signal());
    Some(PayloadDelivery { key, edition, content, templated: payload.spec.templated, signal })
}

#[cfg(test)]
mod tests {
    use crate::testing::{Bench, node, service};
    use proto::model::{FailureAction, Payload, PayloadId, REVISIONS_MAX, Roll, ServiceId, TaskState};

    fn bench() -> (Bench, PayloadId, ServiceId) {
        let mut bench = Bench::new();
        bench.add(node(1));
        let key = bench.add_secret("key", "one");
        let used = bench.payload(key);
        let web = bench.create(service("web").replicas(2).secret(&used));
        bench.settle();
        (bench, key, web)
    }

    /// What each running task finds.
    fn found(bench: &Bench, payload: PayloadId, service: ServiceId) -> Vec<String> {
        let content = |payload: &Payload, edition| {
            let (_, found) = payload.current(edition).expect("it is kept as long as a task needs it");
            String::from_utf8_lossy(found.content.bytes()).into_owned()
        };
        let live = bench.live(service);
        let uses = live.iter().flat_map(|task| &task.spec.task.container.secrets);
        uses.map(|used| content(&bench.payload(payload), used.edition)).collect()
    }

    fn editions(bench: &Bench, payload: PayloadId) -> Vec<u64> {
        bench.payload(payload).editions.keys().copied().collect()
    }

    #[test]
    fn a_new_content_replaces_tasks_one_after_the_other_and_can_be_rolled_back() {
        let (mut bench, key, web) = bench();
        assert_eq!(bench.update_payload(key, "two", Roll::Restart), ["web"]);
        bench.pass();
        assert_eq!(found(&bench, key, web), ["two", "one"], "one at a time");
        bench.settle();
        assert_eq!(found(&bench, key, web), ["two", "two"]);
        bench.rollback(web);
        bench.settle();
        assert_eq!(found(&bench, key, web), ["one", "one"]);
    }

    #[test]
    fn a_content_that_makes_tasks_fail_is_taken_back() {
        let mut bench = Bench::new();
        bench.add(node(1));
        let key = bench.add_secret("key", "one");
        let used = bench.payload(key);
        let back = |config: &mut proto::model::RolloutConfig| config.failure_action = FailureAction::Rollback;
        let web = bench.create(service("web").secret(&used).update(back));
        bench.settle();
        bench.update_payload(key, "bad", Roll::Restart);
        while found(&bench, key, web) != ["bad"] {
            bench.pass();
            bench.agents_obey();
        }
        let task = bench.live(web)[0].clone();
        bench.report(&task, TaskState::Failed);
        bench.settle();
        assert_eq!(found(&bench, key, web), ["one"]);
    }

    #[test]
    fn contents_that_no_service_goes_back_to_are_forgotten() {
        let (mut bench, key, web) = bench();
        for content in ["two", "three"] {
            bench.update_payload(key, content, Roll::Restart);
            bench.settle();
        }
        assert_eq!(editions(&bench, key), [1, 2, 3], "a revision that has it can be gone back to");
        for number in 0..REVISIONS_MAX - 1 {
            bench.update_image(web, &format!("app:{number}"));
            bench.settle();
        }
        assert_eq!(editions(&bench, key), [2, 3]);
        bench.remove(web);
        bench.settle();
        assert_eq!(editions(&bench, key), [3]);
    }

    #[test]
    fn in_place_there_is_one_content_and_no_task_is_replaced() {
        let (mut bench, key, web) = bench();
        bench.update_payload(key, "two", Roll::Restart);
        bench.settle();
        let before = bench.live(web);
        assert_eq!(bench.update_payload(key, "three", Roll::File), ["web"]);
        bench.settle();
        assert_eq!(bench.live(web), before);
        assert_eq!((found(&bench, key, web), editions(&bench, key)), (vec!["three".into(); 2], vec![3]));
        bench.rollback(web);
        bench.settle();
        assert_eq!(found(&bench, key, web), ["three", "three"], "what was replaced in place is gone");
    }
}
