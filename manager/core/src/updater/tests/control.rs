//! Pausing, resuming, cancelling, and going back to a revision.

use super::{bench, images, rollout, web};
use crate::{requests::service::Control, testing::ServiceBuilder, updater::GoBack};
use proto::model::{REVISIONS_MAX, RolloutState, ServiceMode};
use std::time::Duration;

fn slowly() -> ServiceBuilder {
    web().update(|config| config.delay = Duration::from_secs(60))
}

#[test]
fn a_paused_update_begins_no_slot_and_goes_on_when_resumed() {
    let (mut bench, id) = bench(slowly());
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_secs(1));
    bench.control(id, Control::Pause).unwrap();
    bench.run_for(Duration::from_secs(3600));
    assert_eq!(images(&bench, id), "app:1 x3, app:2 x1");
    let paused = rollout(&bench, id);
    assert_eq!((paused.state, paused.message.as_str()), (RolloutState::Paused, "update paused as asked for"));
    bench.control(id, Control::Resume).unwrap();
    bench.settle();
    assert_eq!((images(&bench, id).as_str(), rollout(&bench, id).counts.done), ("app:2 x4", 4));
}

#[test]
fn a_cancelled_update_goes_back_and_leaves_nothing_to_go_back_to() {
    let (mut bench, id) = bench(slowly());
    bench.update_image(id, "app:2");
    bench.run_for(Duration::from_secs(7));
    bench.control(id, Control::Cancel).unwrap();
    bench.settle();
    assert_eq!(images(&bench, id), "app:1 x4");
    let told = rollout(&bench, id).message;
    assert_eq!(told, "rollback completed; update cancelled as asked for");
    assert!(bench.service(id).previous.is_none());
}

#[test]
fn what_makes_no_sense_is_refused_with_what_to_do() {
    let (mut bench, id) = bench(web());
    let refusal = |bench: &mut crate::testing::Bench, control| bench.control(id, control).unwrap_err();
    for control in [Control::Pause, Control::Resume, Control::Promote, Control::Cancel] {
        let says = refusal(&mut bench, control);
        assert!(says.contains("neither being updated nor rolled back"), "{says}");
    }
    bench.update_image(id, "app:2");
    bench.pass();
    for (control, says) in [(Control::Resume, "not paused"), (Control::Promote, "has no canaries")] {
        assert!(refusal(&mut bench, control).contains(says));
    }
    bench.control(id, Control::Pause).unwrap();
    assert!(refusal(&mut bench, Control::Pause).contains("paused already"));
    bench.rollback(id);
    assert!(refusal(&mut bench, Control::Cancel).contains("goes back already"));
}

#[test]
fn a_service_goes_back_to_any_revision_that_is_kept_and_keeps_its_size() {
    let (mut bench, id) = bench(web());
    for n in 2..=4 {
        bench.update_image(id, &format!("app:{n}"));
        bench.settle();
    }
    bench.scale(id, 2);
    bench.settle();
    let service = bench.service(id);
    let known: Vec<u64> = service.revisions.iter().map(|revision| revision.mark.number).collect();
    assert_eq!((known, service.revision.number), (vec![1, 2, 3], 4), "scaling makes no revision");
    assert!(service.revisions[1].rollout.as_ref().is_some_and(|it| it.state == RolloutState::Completed));

    bench.go_back(id, GoBack { to: Some(2), with_replicas: false }).unwrap();
    bench.settle();
    let service = bench.service(id);
    assert_eq!((images(&bench, id).as_str(), service.revision.restores), ("app:2 x2", Some(2)));
    bench.go_back(id, GoBack { to: Some(1), with_replicas: true }).unwrap();
    bench.settle();
    assert_eq!(images(&bench, id), "app:1 x4");
    bench.rollback(id);
    bench.settle();
    assert_eq!(images(&bench, id), "app:2 x4", "the spec before is the one that was rolled back from");

    let refused = bench.go_back(id, GoBack { to: Some(99), with_replicas: false }).unwrap_err();
    assert_eq!(
        refused,
        "service `web` has no revision 99: those before the present one are 1, 2, 3, 4, 5, 6"
    );
    let refused = bench.go_back(id, GoBack { to: Some(7), with_replicas: false }).unwrap_err();
    assert_eq!(refused, "service `web` has revision 7 already");
}

#[test]
fn only_the_last_revisions_are_kept() {
    let (mut bench, id) = bench(web());
    for n in 0..REVISIONS_MAX as u64 + 5 {
        bench.update(id, |spec| {
            spec.labels.insert("n".into(), n.to_string());
            spec.mode = ServiceMode::Replicated { replicas: 4 };
        });
    }
    let service = bench.service(id);
    let known: Vec<u64> = service.revisions.iter().map(|revision| revision.mark.number).collect();
    assert_eq!(known, (6..=15).collect::<Vec<u64>>());
    assert_eq!(service.revision.number, 16);
}
