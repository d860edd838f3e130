//! Names, and what is said to them.

use proto::model::{EndpointState, NodeId, SlotKey};

use super::world::{NODE, addresses, ask, front, names, network, question, service, task, with};
use crate::dns::{Answer, Kind, Names, Question, Record};

#[test]
fn every_name_of_a_service_is_answered() {
    let names = names(&[front()]);
    let table = [
        ("web", vec!["10.0.1.100"]),
        ("WEB.Front", vec!["10.0.1.100"]),
        ("www", vec!["10.0.1.100"]),
        ("www.front", vec!["10.0.1.100"]),
        ("tasks.web", vec!["10.0.1.20", "10.0.1.21"]),
        ("tasks.www.front", vec!["10.0.1.20", "10.0.1.21"]),
        ("db", vec!["10.0.1.30", "10.0.1.31", "10.0.1.32"]),
        ("2.web", vec!["10.0.1.21"]),
        ("2.web.front", vec!["10.0.1.21"]),
        (&format!("{NODE}.agent"), vec!["10.0.1.40"]),
        (&format!("web.2.{}", task(21)), vec!["10.0.1.21"]),
        (&format!("Web.2.{}.front", task(21)), vec!["10.0.1.21"]),
    ];
    for (name, expected) in &table {
        assert_eq!(ask(&names, name, Kind::Ipv4), addresses(expected), "{name}");
        let ipv6: Vec<String> = expected.iter().map(|a| ipv6_of(a)).collect();
        let ipv6: Vec<&str> = ipv6.iter().map(String::as_str).collect();
        assert_eq!(ask(&names, name, Kind::Ipv6), addresses(&ipv6), "{name}");
        assert_eq!(ask(&names, name, Kind::Other), Answer::NoData, "{name}");
    }
}

fn ipv6_of(ipv4: &str) -> String {
    let number: u32 = ipv4.rsplit('.').next().unwrap().parse().unwrap();
    format!("fd00:1::{number:x}")
}

#[test]
fn what_would_be_ours_and_is_not_there_does_not_exist() {
    let names = names(&[front()]);
    let strangers = [
        "3.web".to_owned(),
        "0.web".to_owned(),
        format!("{}.agent", NodeId::from_bits(u128::MAX / 5)),
        format!("web.1.{}", task(21)),
        format!("web.1.{}", task(99)),
        "nothing.front".to_owned(),
        "3.web.front".to_owned(),
        "_81._tcp.web".to_owned(),
        "_80._udp.web.front".to_owned(),
        "_https._tcp.web".to_owned(),
        "_ldap._tcp.db".to_owned(),
        "_nothing._tcp.web.front".to_owned(),
        "_70000._tcp.web".to_owned(),
        "_80._sctp.web".to_owned(),
    ];
    for name in strangers {
        assert_eq!(ask(&names, &name, Kind::Ipv4), Answer::NoSuchName, "{name}");
    }
}

#[test]
fn what_is_none_of_ours_is_forwarded() {
    let names = names(&[front()]);
    for name in [
        "example.com",
        "printer",
        "www.example.web",
        "pkg.go.front",
        "tasks.other",
        "_http._tcp.other",
        "_ldap._tcp.dc._msdcs.corp",
        "01.web",
        "+1.web",
        "x.web",
    ] {
        assert_eq!(ask(&names, name, Kind::Ipv4), Answer::Forward, "{name}");
    }
    assert_eq!(names.answer(&Question::new([], Kind::Other).unwrap(), 0), Answer::Forward, "the root");
    assert_eq!(ask(&Names::default(), "web", Kind::Ipv4), Answer::Forward);
}

#[test]
fn a_label_with_a_dot_in_it_is_not_two_labels() {
    let asked = Question::new([b"2.web".as_slice()], Kind::Ipv4).unwrap();
    assert_eq!(names(&[front()]).answer(&asked, 0), Answer::Forward);
    assert_eq!(Question::new([b"w\xffb".as_slice()], Kind::Ipv4), None);
}

#[test]
fn a_network_without_ipv6_has_the_name_but_no_such_address() {
    let table = with(network(2, "back", false), vec![service(1, "web", Some(100), &[20])]);
    let names = names(&[table]);
    assert_eq!(ask(&names, "web", Kind::Ipv6), Answer::NoData);
    assert_eq!(ask(&names, "web", Kind::Any), addresses(&["10.0.2.100"]));
}

#[test]
fn the_first_network_that_knows_a_name_is_asked_and_no_network_beside_them() {
    let back = with(
        network(2, "back", true),
        vec![service(1, "Web", Some(100), &[20]), service(9, "cache", Some(109), &[])],
    );
    let both = names(&[front(), back.clone()]);
    assert_eq!(ask(&both, "web", Kind::Ipv4), addresses(&["10.0.1.100"]));
    assert_eq!(ask(&both, "web.back", Kind::Ipv4), addresses(&["10.0.2.100"]));
    assert_eq!(ask(&both, "cache", Kind::Ipv4), addresses(&["10.0.2.109"]));
    assert_eq!(ask(&both, "cache.front", Kind::Ipv4), Answer::NoSuchName);
    let turned = names(&[back, front()]);
    assert_eq!(ask(&turned, "web", Kind::Ipv4), addresses(&["10.0.2.100"]));
    let alone = names(&[front()]);
    assert_eq!(ask(&alone, "cache", Kind::Ipv4), Answer::Forward);
    assert_eq!(ask(&alone, "web.back", Kind::Ipv4), Answer::Forward);
    assert_eq!(ask(&alone, "100.2.0.10.in-addr.arpa", Kind::Pointer), Answer::Forward);
}

#[test]
fn tasks_that_do_not_serve_are_only_found_by_their_own_names() {
    let mut db = service(2, "db", None, &[30, 31]);
    db.endpoints.get_mut(&task(30)).unwrap().state = EndpointState::Idle;
    let mut young = db.endpoints[&task(30)].clone();
    (young.number, young.state) = (33, EndpointState::Serving);
    db.endpoints.insert(task(33), young.clone());
    young.slot = SlotKey::Replica(3);
    (young.number, young.state) = (34, EndpointState::Idle);
    db.endpoints.insert(task(34), young);
    let names = names(&[with(network(1, "front", false), vec![db])]);
    let two = addresses(&["10.0.1.31", "10.0.1.33"]);
    assert_eq!(ask(&names, "db", Kind::Ipv4), two);
    assert_eq!(ask(&names, "tasks.db", Kind::Ipv4), two);
    assert_eq!(ask(&names, "1.db", Kind::Ipv4), addresses(&["10.0.1.33"]));
    assert_eq!(ask(&names, "3.db", Kind::Ipv4), addresses(&["10.0.1.34"]), "members find each other");
    assert_eq!(ask(&names, &format!("db.1.{}", task(30)), Kind::Ipv4), addresses(&["10.0.1.30"]));
}

#[test]
fn a_service_without_tasks_exists() {
    let names = names(&[with(network(1, "front", false), vec![service(2, "db", None, &[])])]);
    assert_eq!(ask(&names, "db", Kind::Ipv4), Answer::NoData);
    assert_eq!(ask(&names, "tasks.db", Kind::Ipv4), Answer::NoData);
    assert_eq!(ask(&names, "1.db", Kind::Ipv4), Answer::NoSuchName);
}

#[test]
fn each_turn_begins_with_another_task() {
    let names = names(&[front()]);
    let asked = question("db", Kind::Ipv4);
    assert_eq!(names.answer(&asked, 4), addresses(&["10.0.1.31", "10.0.1.32", "10.0.1.30"]));
    assert_eq!(names.answer(&asked, u64::MAX - 1), addresses(&["10.0.1.32", "10.0.1.30", "10.0.1.31"]));
}

#[test]
fn an_alias_of_two_services_stands_for_both() {
    let mut one = service(1, "blue", Some(100), &[20]);
    let mut two = service(2, "green", Some(101), &[21]);
    one.aliases.insert("shop".parse().unwrap());
    two.aliases.insert("Shop".parse().unwrap());
    let table = with(network(1, "front", false), vec![one, two]);
    assert_eq!(ask(&names(&[table]), "shop", Kind::Ipv4), addresses(&["10.0.1.100", "10.0.1.101"]));
}

#[test]
fn addresses_of_the_networks_have_the_names_of_who_has_them() {
    let names = names(&[front()]);
    let pointer = |name: String| Answer::Records(vec![Record::Pointer(name)]);
    let ptr = |address: &str| ask(&names, address, Kind::Pointer);
    assert_eq!(ptr("100.1.0.10.in-addr.arpa"), pointer("web.front".to_owned()));
    let task_name = format!("web.2.{}.front", task(21));
    assert_eq!(ptr("21.1.0.10.IN-ADDR.ARPA"), pointer(task_name.clone()));
    let ipv6 = format!("5.1.{}1.0.0.0.0.0.d.f.ip6.arpa", "0.".repeat(22));
    assert_eq!(ptr(&ipv6), pointer(task_name));
    assert_eq!(ptr("77.1.0.10.in-addr.arpa"), Answer::NoSuchName);
    assert_eq!(ptr("8.8.8.8.in-addr.arpa"), Answer::Forward);
    assert_eq!(ask(&names, "100.1.0.10.in-addr.arpa", Kind::Ipv4), Answer::NoData);
}

#[test]
fn a_published_port_tells_the_port_and_the_tasks_behind_it() {
    let names = names(&[front()]);
    let service = |slot| Record::Service { port: 80, target: format!("{slot}.web.front") };
    let both = Answer::Records(vec![service(1), service(2)]);
    for name in ["_8080._tcp.web", "_80._TCP.www.front", "_http._tcp.web", "_HTTP-alt._tcp.web.front"] {
        assert_eq!(ask(&names, name, Kind::Service), both, "{name}");
        assert_eq!(ask(&names, name, Kind::Ipv4), Answer::NoData, "{name}");
    }
    assert_eq!(ask(&names, "1.web.front", Kind::Ipv4), addresses(&["10.0.1.20"]), "targets can be asked for");
}

#[test]
fn a_very_large_service_is_cut_to_what_a_message_can_hold() {
    let numbers: Vec<u32> = (2..5000).collect();
    let mut table = network(1, "front", false);
    table.info.ipv4.subnet = "10.0.0.0/16".parse().unwrap();
    let names = names(&[with(table, vec![service(1, "web", None, &numbers)])]);
    let Answer::Records(records) = ask(&names, "web", Kind::Ipv4) else { panic!("no records") };
    assert_eq!(records.len(), 2048);
}

#[test]
fn a_task_that_was_connected_alone_is_found_by_its_own_names_and_not_by_its_services() {
    let mut web = service(1, "web", None, &[20, 21]);
    web.by_hand = [(task(20), [].into()), (task(21), ["Blue".parse().unwrap()].into())].into();
    let net = names(&[with(network(1, "front", true), vec![web.clone()])]);
    for name in ["web", "web.front", "tasks.web"] {
        let answer = ask(&net, name, Kind::Ipv4);
        assert!(matches!(answer, Answer::Forward | Answer::NoSuchName), "{name}: {answer:?}");
    }
    for (name, address) in [
        ("blue", "10.0.1.21"),
        ("blue.front", "10.0.1.21"),
        ("1.web", "10.0.1.20"),
        (&format!("web.2.{}", task(21)), "10.0.1.21"),
    ] {
        assert_eq!(ask(&net, name, Kind::Ipv4), addresses(&[address]), "{name}");
    }
    // Where the service is known as well, its name is not hidden.
    let other = with(network(2, "back", false), vec![service(1, "web", Some(100), &[30])]);
    let both = names(&[with(network(1, "front", true), vec![web]), other]);
    assert_eq!(ask(&both, "web", Kind::Ipv4), addresses(&["10.0.2.100"]));
}

#[test]
fn an_alias_of_several_services_stands_for_all_of_them() {
    let mut web = service(1, "web", Some(100), &[20]);
    web.aliases.insert("db".parse().unwrap());
    let mut connected = service(3, "shell", None, &[40]);
    connected.by_hand = [(task(40), ["db".parse().unwrap()].into())].into();
    let net = names(&[with(network(1, "front", true), vec![web, service(2, "db", None, &[30]), connected])]);
    assert_eq!(ask(&net, "db", Kind::Ipv4), addresses(&["10.0.1.100", "10.0.1.30", "10.0.1.40"]));
}
