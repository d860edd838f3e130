//! What follows from answers, step by step.

use super::*;
use proto::model::{ContainerSpec, Probe, ProbeKind};
use serde_json::json;
use std::num::NonZeroU16;

const ZERO: Duration = Duration::ZERO;

fn secs(seconds: u64) -> Duration {
    Duration::from_secs(seconds)
}

fn tcp(port: u16) -> Probe {
    Probe { kind: ProbeKind::Tcp { port: NonZeroU16::new(port).unwrap() }, ..Probe::default() }
}

fn health_of(container: ContainerSpec) -> Health {
    Health::new(Plan::of(&container, None).unwrap(), ZERO)
}

fn passed() -> Answer {
    Answer { passed: true, seen: "fine".into() }
}

fn failed() -> Answer {
    Answer { passed: false, seen: "refused".into() }
}

/// Answers every probe alike from second to second; the seconds at which something new was found.
fn answer_all(
    health: &mut Health,
    seconds: std::ops::Range<u64>,
    answer: fn() -> Answer,
) -> Vec<(u64, Finding)> {
    let mut found = Vec::new();
    for second in seconds {
        for (role, _) in health.due(secs(second)) {
            found.extend(health.answered(role, answer(), secs(second)).map(|finding| (second, finding)));
        }
    }
    found
}

#[test]
fn a_container_is_asked_at_once_and_runs_at_its_first_success() {
    let mut health = health_of(ContainerSpec { health: tcp(80), ..Default::default() });
    assert_eq!(health.next(), Some(ZERO));
    assert_eq!(health.due(ZERO).len(), 1);
    assert_eq!((health.next(), health.due(secs(9)).len()), (None, 0), "one question at a time");
    let waits = health.answered(ProbeRole::Health, failed(), secs(9)).unwrap();
    assert_eq!((waits.ready, waits.message.as_str()), (false, "health probe (tcp 80) fails: refused"));
    assert_eq!(health.next(), Some(secs(10)), "soon again, not after docker's 30 s");
    health.due(secs(10));
    assert!(health.answered(ProbeRole::Health, passed(), secs(10)).unwrap().ready);
    assert_eq!(health.next(), Some(secs(40)));
}

#[test]
fn a_container_that_never_succeeds_has_the_time_that_docker_gives_it() {
    let probe = Probe { interval: Some(secs(10)), start_period: Some(secs(60)), ..tcp(80) };
    let mut health = health_of(ContainerSpec { health: probe, ..Default::default() });
    let found = answer_all(&mut health, 0..200, failed);
    let (at, last) = found.last().unwrap();
    assert_eq!((*at, last.ready), (80, false), "after the start period, 60, 70 and 80 count");
    assert_eq!(last.unhealthy.as_deref(), Some("health probe (tcp 80) failed 3 times: refused"));
}

#[test]
fn failures_must_come_in_a_row() {
    let probe = Probe { interval: Some(secs(1)), retries: Some(2), ..tcp(80) };
    let mut health = health_of(ContainerSpec { health: probe, ..Default::default() });
    answer_all(&mut health, 0..1, passed);
    for second in 1..20 {
        let answer = if second % 2 == 0 { failed } else { passed };
        assert_eq!(answer_all(&mut health, second..second + 1, answer), []);
    }
    let found = answer_all(&mut health, 20..30, failed);
    assert!(matches!(&found[..], [(21, Finding { unhealthy: Some(_), .. })]), "{found:?}");
}

#[test]
fn readiness_comes_and_goes_and_replaces_nothing() {
    let probe = Probe { interval: Some(secs(1)), ..tcp(80) };
    let mut health = health_of(ContainerSpec { readiness: Some(probe), ..Default::default() });
    let ready = |found: Vec<(u64, Finding)>| -> Vec<(u64, bool)> {
        assert!(found.iter().all(|(_, finding)| finding.unhealthy.is_none()));
        found.into_iter().map(|(at, finding)| (at, finding.ready)).collect()
    };
    assert_eq!(ready(answer_all(&mut health, 0..500, failed)), [(0, false)], "told once");
    assert_eq!(ready(answer_all(&mut health, 500..510, passed)), [(500, true)]);
    assert_eq!(ready(answer_all(&mut health, 510..520, failed)), [(512, false)], "at the third failure");
    assert_eq!(ready(answer_all(&mut health, 520..530, passed)), [(520, true)], "at the first success");
}

#[test]
fn the_others_wait_for_the_startup_probe() {
    let startup = Some(Probe { retries: Some(100), ..tcp(81) });
    let mut health = health_of(ContainerSpec { health: tcp(80), startup, ..Default::default() });
    let asked = |health: &mut Health, at| -> Vec<ProbeRole> {
        health.due(at).into_iter().map(|(role, _)| role).collect()
    };
    assert_eq!(asked(&mut health, ZERO), [ProbeRole::Startup]);
    health.answered(ProbeRole::Startup, failed(), ZERO);
    assert_eq!(asked(&mut health, secs(100)), [ProbeRole::Startup]);
    assert!(!health.answered(ProbeRole::Startup, passed(), secs(100)).unwrap().ready);
    assert_eq!(asked(&mut health, secs(100)), [ProbeRole::Health]);
    assert!(health.answered(ProbeRole::Health, passed(), secs(100)).unwrap().ready);
    assert_eq!(asked(&mut health, secs(1000)), [ProbeRole::Health], "it is not asked again");
}

#[test]
fn one_that_ran_before_is_not_taken_for_new() {
    let readiness = Some(tcp(81));
    let plan = Plan::of(&ContainerSpec { health: tcp(80), readiness, ..Default::default() }, None).unwrap();
    let mut health = Health::resumed(plan.clone(), true, secs(5));
    assert_eq!(answer_all(&mut health, 5..40, passed), [], "nothing new");
    let mut health = Health::resumed(plan, false, secs(5));
    let found = answer_all(&mut health, 5..40, passed);
    assert!(matches!(&found[..], [(5, Finding { ready: true, .. })]), "{found:?}");
}

#[test]
fn the_image_says_what_the_service_does_not() {
    let second = 1_000_000_000u64;
    let image = json!({ "Test": ["CMD-SHELL", "curl -f localhost"], "Interval": 5 * second, "Retries": 7 });
    let image = image_health(image).unwrap();
    let own = Probe { retries: Some(2), ..Probe::default() };
    let plan = Plan::of(&ContainerSpec { health: own, ..Default::default() }, Some(&image)).unwrap();
    let check = &plan.checks[&ProbeRole::Health];
    assert_eq!((check.interval, check.retries, check.timeout), (secs(5), 2, secs(30)));
    assert_eq!(check.kind, ProbeKind::Shell("curl -f localhost".into()));

    let disabled = Probe { kind: ProbeKind::Disabled, ..Probe::default() };
    assert_eq!(Plan::of(&ContainerSpec { health: disabled, ..Default::default() }, Some(&image)), None);
    for nothing in
        [json!(null), json!({ "Test": ["NONE"] }), json!({ "Interval": 5 }), json!({ "Test": null })]
    {
        let image = image_health(nothing).unwrap();
        assert_eq!(Plan::of(&ContainerSpec::default(), Some(&image)), None);
    }
    assert!(image_health(json!({ "Test": 5 })).is_err());
}
