//! Who holds what, told in examples.

use std::num::NonZeroU16;

use super::super::ports::Protocol;
use super::super::subnet::Ipv4Subnet;
use super::*;

fn ledger() -> Ledger {
    Ledger::new(Subnets { ipv4: "10.0.0.0/29".parse().unwrap(), ipv6: None })
}

fn dir() -> &'static Path {
    Path::new("/run/shoal/netns")
}

fn tcp(published: u16, target: u16) -> HostPort {
    let port = |number| NonZeroU16::new(number).unwrap();
    HostPort { protocol: Protocol::Tcp, published: port(published), target: port(target), host_ip: None }
}

#[test]
fn attaching_again_returns_the_same_addresses() {
    let mut ledger = ledger();
    let first = ledger.attach("web", dir(), Access::SIBLINGS).unwrap();
    assert_eq!(first.netns, Path::new("/run/shoal/netns/web"));
    assert_eq!(ledger.attach("web", dir(), Access::SIBLINGS), Ok(first));
}

#[test]
fn a_restarted_ledger_gives_nobody_elses_address_away() {
    let mut before = ledger();
    let web = before.attach("web", dir(), Access::SIBLINGS).unwrap();
    let mut after = ledger();
    after.adopt(&web, &[tcp(80, 8080)]).unwrap();
    assert_ne!(after.attach("db", dir(), Access::SIBLINGS).unwrap().ipv4(), web.ipv4());
    assert_eq!(after.forwards().len(), 1);
}

#[test]
fn an_address_claimed_by_two_is_refused() {
    let mut ledger = ledger();
    let web = ledger.attach("web", dir(), Access::SIBLINGS).unwrap();
    let thief = Attachment { task: "thief".into(), ..web };
    assert!(matches!(ledger.adopt(&thief, &[]), Err(LedgerError::AddressTaken { .. })));
    assert_eq!(ledger.attachments().count(), 1);
}

#[test]
fn an_address_of_another_subnet_is_refused() {
    let subnets = Subnets { ipv4: Ipv4Subnet::default(), ipv6: None };
    let web = Ledger::new(subnets).attach("web", dir(), Access::SIBLINGS).unwrap();
    let error = ledger().adopt(&web, &[]).unwrap_err().to_string();
    assert!(error.contains("172.30.0.2") && error.contains("10.0.0.0/29"), "{error}");
}

#[test]
fn tasks_whose_short_ids_are_the_same_are_told_apart() {
    let mut ledger = ledger();
    ledger.attach("aaaaaaaaaaaa1", dir(), Access::SIBLINGS).unwrap();
    assert!(matches!(
        ledger.attach("aaaaaaaaaaaa2", dir(), Access::SIBLINGS),
        Err(LedgerError::ShortTaken { .. })
    ));
    ledger.release("aaaaaaaaaaaa2").unwrap();
    assert!(ledger.attachment("aaaaaaaaaaaa1").is_some());
}

#[test]
fn a_full_subnet_says_how_large_it_is() {
    let mut ledger = ledger();
    for task in ["a", "b", "c", "d", "e"] {
        ledger.attach(task, dir(), Access::SIBLINGS).unwrap();
    }
    let error = ledger.attach("f", dir(), Access::SIBLINGS).unwrap_err();
    assert_eq!(error, LedgerError::Exhausted { task: "f".into(), subnet: "10.0.0.0/29".into(), size: 5 });
    ledger.release("c").unwrap();
    assert!(ledger.attach("f", dir(), Access::SIBLINGS).is_ok());
}

#[test]
fn a_published_port_has_one_owner_until_it_is_released() {
    let mut ledger = ledger();
    ledger.attach("web", dir(), Access::SIBLINGS).unwrap();
    ledger.attach("api", dir(), Access::SIBLINGS).unwrap();
    ledger.set_ports("web", &[tcp(80, 8080)]).unwrap();
    let refused = ledger.plan_ports("api", &[tcp(80, 9090)]).unwrap_err();
    assert_eq!(refused.to_string(), "task api cannot publish 80/tcp: task web publishes it on this node");
    ledger.release("web").unwrap();
    assert_eq!(ledger.plan_ports("api", &[tcp(80, 9090)]).unwrap().add.len(), 1);
}

#[test]
fn only_the_difference_between_two_lists_of_ports_is_changed() {
    let mut ledger = ledger();
    ledger.attach("web", dir(), Access::SIBLINGS).unwrap();
    ledger.set_ports("web", &[tcp(80, 8080), tcp(81, 8081), tcp(82, 8082)]).unwrap();
    let change = ledger.plan_ports("web", &[tcp(80, 8080), tcp(81, 9999)]).unwrap();
    let ports = |forwards: &[Forward]| -> Vec<u16> {
        forwards.iter().map(|forward| forward.key.port.get()).collect()
    };
    assert_eq!(ports(&change.remove), [81, 82]);
    assert_eq!(ports(&change.add), [81]);
    ledger.set_ports("web", &[tcp(80, 8080), tcp(81, 9999)]).unwrap();
    assert!(ledger.plan_ports("web", &[tcp(81, 9999), tcp(80, 8080)]).unwrap().is_empty());
}

#[test]
fn a_port_listed_twice_is_refused() {
    let mut ledger = ledger();
    ledger.attach("web", dir(), Access::SIBLINGS).unwrap();
    let refused = ledger.plan_ports("web", &[tcp(80, 1), tcp(80, 2)]);
    assert!(matches!(refused, Err(LedgerError::PortTwice { .. })));
}

#[test]
fn a_task_with_a_loopback_only_publishes_nothing() {
    let mut ledger = ledger();
    let bare = ledger.attach_bare("job", dir(), false).unwrap();
    assert_eq!(bare.addresses, []);
    assert!(matches!(ledger.plan_ports("job", &[tcp(80, 80)]), Err(LedgerError::Unreachable { .. })));
    assert!(matches!(ledger.attach("job", dir(), Access::SIBLINGS), Err(LedgerError::OtherKind { .. })));
    assert!(ledger.plan_ports("job", &[]).unwrap().is_empty());
}
