//! A zone that is kept up to date, compared with one that is built anew.

use proptest::prelude::*;
use proto::model::{Id, NetworkService, NetworkUpdate};

use super::world::{ask, names, network, service};
use crate::dns::{Kind, Zones};
use crate::tables::{Tables, Told};

/// A service with a small choice of names and numbers, so that updates collide.
fn any_service() -> impl Strategy<Value = NetworkService> {
    let alias = prop::collection::btree_set(0u8..4, 0..3);
    let numbers = prop::collection::btree_set(2u32..20, 0..4);
    let kind = (any::<bool>(), prop::bool::weighted(0.2));
    (0u128..4, alias, numbers, kind).prop_map(|(id, aliases, numbers, (balanced, by_hand))| {
        let numbers: Vec<u32> = numbers.into_iter().map(|number| number + 20 * id as u32).collect();
        let vip = balanced.then_some(200 + id as u32);
        let mut service = service(id, &format!("s{id}"), vip, &numbers);
        service.aliases = aliases.iter().map(|alias| format!("a{alias}").parse().unwrap()).collect();
        if by_hand {
            service.by_hand = service.endpoints.keys().map(|&task| (task, service.aliases.clone())).collect();
            (service.vip, service.aliases) = (None, [].into());
        }
        service
    })
}

proptest! {
    #[test]
    fn a_zone_that_was_updated_says_what_a_new_one_says(
        updates in prop::collection::vec((any_service(), any::<bool>(), prop::bool::weighted(0.1)), 1..12),
    ) {
        let table = network(1, "front", true);
        let (mut tables, mut zones) = (Tables::default(), Zones::default());
        for (service, gone, full) in updates {
            let (put_services, remove_services) =
                if gone { (Vec::new(), vec![service.id]) } else { (vec![service], Vec::new()) };
            let update = NetworkUpdate {
                full: full || tables.get(table.info.id).is_none(),
                info: table.info.clone(),
                put_peers: Vec::new(),
                remove_peers: Vec::new(),
                put_services,
                remove_services,
            };
            let rows = tables.take(Told { updates: vec![update], ..Told::default() }).unwrap();
            zones.update(&tables, &rows);
        }
        let updated = zones.of_container(&[table.info.id], true);
        let built = names(&[(**tables.get(table.info.id).unwrap()).clone()]);
        for number in 0..4 {
            for form in ["s", "a", "tasks.a", "1.s"] {
                let name = format!("{form}{number}");
                prop_assert_eq!(ask(&updated, &name, Kind::Any), ask(&built, &name, Kind::Any));
            }
        }
        for number in 0..=255 {
            let name = format!("{number}.1.0.10.in-addr.arpa");
            prop_assert_eq!(ask(&updated, &name, Kind::Pointer), ask(&built, &name, Kind::Pointer));
        }
    }
}

#[test]
fn a_change_concerns_the_containers_of_its_network_only() {
    let tables: Tables = [network(1, "front", true), network(2, "back", true)].into_iter().collect();
    let mut zones = Zones::of(&tables);
    let of = |zones: &Zones, networks: &[u128]| {
        zones.of_container(&networks.iter().map(|&id| Id::from_bits(id)).collect::<Vec<_>>(), false)
    };
    let (front, back, both) = (of(&zones, &[1]), of(&zones, &[2]), of(&zones, &[1, 2]));
    let mut tables = tables;
    let update = NetworkUpdate {
        full: false,
        info: network(2, "back", true).info,
        put_peers: Vec::new(),
        remove_peers: Vec::new(),
        put_services: vec![service(5, "web", Some(100), &[])],
        remove_services: Vec::new(),
    };
    let rows = tables.take(Told { updates: vec![update], ..Told::default() }).unwrap();
    zones.update(&tables, &rows);
    assert!(of(&zones, &[1]).are(&front) && !of(&zones, &[2]).are(&back) && !of(&zones, &[1, 2]).are(&both));
    assert!(of(&zones, &[2]).are(&of(&zones, &[2])), "containers share the names of a network");
    assert_eq!(ask(&both, "web", Kind::Ipv4), crate::dns::Answer::Forward, "who asks now is not disturbed");
}

#[test]
fn a_container_of_a_network_that_is_still_to_be_told_asks_nobody_else() {
    let tables: Tables = [super::world::front()].into_iter().collect();
    let zones = Zones::of(&tables);
    let networks = [Id::from_bits(1), Id::from_bits(9)];
    let (partial, whole) = (zones.of_container(&networks, false), zones.of_container(&networks, true));
    for name in ["db2", "example.com", "8.8.8.8.in-addr.arpa"] {
        assert_eq!(ask(&partial, name, Kind::Ipv4), crate::dns::Answer::NotYet, "{name}");
        assert_eq!(ask(&whole, name, Kind::Ipv4), crate::dns::Answer::Forward, "{name}");
    }
    assert_eq!(ask(&partial, "web", Kind::Ipv4), ask(&whole, "web", Kind::Ipv4));
}
