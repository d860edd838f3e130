//! A zone that is kept up to date, compared with one that is built anew.

use proptest::prelude::*;
use proto::model::{NetworkService, NetworkUpdate};

use super::world::{ask, names, network, service};
use crate::dns::{Kind, Names, Zone};

/// A service with a small choice of names and numbers, so that updates collide.
fn any_service() -> impl Strategy<Value = NetworkService> {
    let alias = prop::collection::btree_set(0u8..4, 0..3);
    let numbers = prop::collection::btree_set(2u32..20, 0..4);
    (0u128..4, alias, numbers, any::<bool>()).prop_map(|(id, aliases, numbers, balanced)| {
        let numbers: Vec<u32> = numbers.into_iter().map(|number| number + 20 * id as u32).collect();
        let vip = balanced.then_some(200 + id as u32);
        let mut service = service(id, &format!("s{id}"), vip, &numbers);
        service.aliases = aliases.iter().map(|alias| format!("a{alias}").parse().unwrap()).collect();
        service
    })
}

proptest! {
    #[test]
    fn a_zone_that_was_updated_says_what_a_new_one_says(
        updates in prop::collection::vec((any_service(), any::<bool>(), prop::bool::weighted(0.1)), 1..12),
    ) {
        let mut table = network(1, "front", true);
        let mut zone = Zone::new(&table);
        for (service, gone, full) in updates {
            let (put_services, remove_services) =
                if gone { (Vec::new(), vec![service.id]) } else { (vec![service], Vec::new()) };
            let update = NetworkUpdate {
                full,
                info: table.info.clone(),
                put_peers: Vec::new(),
                remove_peers: Vec::new(),
                put_services,
                remove_services,
            };
            zone.apply(&update);
            table.apply(update);
        }
        let (updated, built) = (Names::new(vec![zone]), names(&[table]));
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
