//! Updates that reach a few slots first.

use super::{bench, images, rollout, web};
use crate::{
    requests::service::Control,
    testing::{BROKEN_IMAGE, Bench, ServiceBuilder},
};
use proto::model::{FailureAction, RolloutCounts, RolloutState, ServiceId};
use std::time::Duration;

fn with_canary() -> ServiceBuilder {
    web().update(|config| config.canary = 1)
}

fn held(service: ServiceBuilder) -> (Bench, ServiceId) {
    let (mut bench, id) = bench(service);
    bench.update_image(id, "app:2");
    bench.settle();
    assert_eq!(rollout(&bench, id).state, RolloutState::Held);
    (bench, id)
}

#[test]
fn the_others_wait_until_it_is_promoted() {
    let (mut bench, id) = held(with_canary());
    assert_eq!(images(&bench, id), "app:1 x3, app:2 x1");
    assert_eq!(rollout(&bench, id).counts, RolloutCounts { total: 4, done: 1, failed: 0 });
    bench.run_for(Duration::from_secs(86_400));
    assert_eq!(images(&bench, id), "app:1 x3, app:2 x1");
    bench.control(id, Control::Promote).unwrap();
    bench.settle();
    assert_eq!(
        (images(&bench, id).as_str(), rollout(&bench, id).state),
        ("app:2 x4", RolloutState::Completed)
    );
}

#[test]
fn tasks_that_fail_meanwhile_come_back_with_the_spec_they_had() {
    let (mut bench, id) = held(with_canary());
    for _ in 0..4 {
        bench.fail_one(id);
        bench.settle();
        assert_eq!(images(&bench, id), "app:1 x3, app:2 x1");
    }
    bench.scale(id, 6);
    bench.settle();
    assert_eq!(images(&bench, id), "app:1 x5, app:2 x1");
    bench.control(id, Control::Promote).unwrap();
    bench.settle();
    assert_eq!(images(&bench, id), "app:2 x6");
}

#[test]
fn the_way_back_is_to_the_spec_before() {
    for back in [None, Some(Control::Cancel)] {
        let (mut bench, id) = held(with_canary());
        match back {
            None => bench.rollback(id),
            Some(control) => bench.control(id, control).unwrap(),
        }
        bench.settle();
        assert_eq!(
            (images(&bench, id).as_str(), rollout(&bench, id).state),
            ("app:1 x4", RolloutState::RolledBack)
        );
    }
}

#[test]
fn the_tolerated_share_is_of_the_canaries() {
    let (mut bench, id) = bench(with_canary().update(|config| {
        config.canary = 1;
        config.max_failure_ratio = 0.5;
        config.failure_action = FailureAction::Rollback;
    }));
    bench.update_image(id, BROKEN_IMAGE);
    bench.settle();
    assert_eq!(
        (images(&bench, id).as_str(), rollout(&bench, id).state),
        ("app:1 x4", RolloutState::RolledBack)
    );
}

#[test]
fn as_many_canaries_as_slots_are_no_canaries() {
    let (mut bench, id) = bench(web().update(|config| config.canary = 4));
    bench.update_image(id, "app:2");
    bench.settle();
    assert_eq!(rollout(&bench, id).state, RolloutState::Completed);
}

#[test]
fn another_update_begins_with_canaries_again_and_goes_back_to_what_all_had() {
    let (mut bench, id) = held(with_canary());
    bench.update_image(id, "app:3");
    bench.settle();
    assert_eq!(images(&bench, id), "app:1 x3, app:3 x1");
    bench.rollback(id);
    bench.settle();
    assert_eq!(images(&bench, id), "app:1 x4");
}
