//! What holds whatever happens: random histories of a small cluster, first anything goes, then quiet.

mod churn;
mod invariants;
mod networks;
mod numbers;
mod payloads;
mod stacks;
mod tables;
mod wish;

use super::*;
use crate::{
    state::State,
    testing::{Bench, node, service},
};
use churn::{Event, World};
use invariants::Watch;
use proptest::prelude::*;
use proto::model::{Id, IdSource, SlotKey, TaskState};

/// Ids in the order they are drawn.
struct Counting(u128);

impl IdSource for Counting {
    fn next_bits(&mut self) -> u128 {
        self.0 += 1;
        self.0
    }
}

fn histories() -> impl Strategy<Value = Vec<Event>> {
    prop::collection::vec(churn::event(), 1..60)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 192, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happens_the_invariants_hold_and_in_the_end_every_service_is_as_asked(history in histories()) {
        let mut world = World::new();
        let mut watch = Watch::default();
        for event in history {
            world.happen(event);
            watch.check(&world.bench.state)?;
            world.bench.pass();
            watch.check(&world.bench.state)?;
        }
        world.calm_down();
        world.bench.settle();
        watch.check(&world.bench.state)?;
        invariants::check_converged(&world.bench.state)?;
        world.clear();
        world.bench.settle();
        numbers::check_nothing_held(&world.bench.state)?;
        payloads::check_nothing_kept(&world.bench.state)?;
        prop_assert_eq!(world.bench.state.stacks().count(), 0);
    }

    #[test]
    fn a_pass_leaves_nothing_to_a_second_one(history in histories()) {
        let mut world = World::new();
        for event in history {
            world.happen(event);
            world.bench.pass();
            prop_assert_eq!(world.bench.pass().transactions, vec![]);
        }
    }

    #[test]
    fn nodes_that_take_in_what_they_are_told_know_what_the_managers_do(history in histories()) {
        let mut world = World::new();
        let mut agents = tables::Agents::default();
        for event in history {
            world.happen(event);
            agents.listen(&world.bench)?;
            world.bench.pass();
            agents.listen(&world.bench)?;
        }
    }

    #[test]
    fn a_new_leader_decides_what_the_old_one_would_have(history in histories()) {
        let mut world = World::new();
        for event in history {
            world.happen(event);
            let (state, now, liveness) = (&world.bench.state, world.bench.now, &world.bench.liveness);
            let restored = State::from_image(state.to_image()).unwrap();
            prop_assert_eq!(&restored, state);
            let old = pass(state, now, &mut Counting(1 << 64), liveness);
            let new = pass(&restored, now, &mut Counting(1 << 64), liveness);
            prop_assert_eq!(old, new);
            world.bench.pass();
        }
    }
}

#[test]
fn one_pass_takes_a_new_service_to_assigned_tasks() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let web = bench.create(service("web").replicas(3));
    bench.pass();
    assert_eq!(bench.states(web), [TaskState::Assigned; 3]);
}

#[test]
fn transactions_stay_small() {
    let mut bench = Bench::new();
    bench.add(node(1));
    bench.create(service("web").replicas(2500));
    let decision = bench.pass();
    assert!(decision.transactions.iter().all(|transaction| transaction.changes.len() <= crate::CHANGES_MAX));
}

#[test]
fn before_the_cluster_is_made_there_is_nothing_to_decide() {
    let decision = pass(&State::default(), Timestamp(0), &mut Counting(0), &Liveness::default());
    assert_eq!(decision, Decision::default());
}

#[test]
fn a_user_who_is_faster_than_the_leader_wins() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let web = bench.create(service("web").replicas(2));
    let late = pass(&bench.state, bench.now, &mut Counting(0), &bench.liveness);
    bench.scale(web, 1);
    assert!(bench.state.apply(&late.transactions[0]).is_err());
    bench.settle();
    assert_eq!(bench.live(web).iter().map(|task| task.slot).collect::<Vec<_>>(), [SlotKey::Replica(1)]);
    assert_eq!(bench.state.task(Id::from_bits(1)), None);
}
