//! A port of every node is published by one service, and none lacks its number.

use super::{Broken, Kept, Step};
use manager_core::ports::{self, PortNumber};
use proto::model::PortMode;
use std::collections::BTreeMap;

const PROMISE: &str = "no_port_of_every_node_twice";

/// Looks at the services that a transaction touched.
pub(super) fn check(step: &Step<'_>) -> Kept {
    if step.services().is_empty() {
        return Ok(());
    }
    let mut held: BTreeMap<PortNumber, (&str, PortMode)> = BTreeMap::new();
    for service in step.after.services().filter(|service| !service.removing) {
        let name = service.spec.name.as_str();
        for port in ports::published(service) {
            let Some(number) = PortNumber::of(&port) else {
                return Err(Broken::new(PROMISE, format!("{port} of service {name} has no number")));
            };
            let before = held.insert(number, (name, port.mode));
            if let Some((other, _)) =
                before.filter(|(_, mode)| PortMode::Ingress == *mode || PortMode::Ingress == port.mode)
            {
                let what = format!("port {number} is published by service {name}, and by service {other}");
                return Err(Broken::new(PROMISE, what));
            }
        }
    }
    Ok(())
}
