//! Kinds of networks on the wire: a driver's name and its options, as docker has them.

use crate::model::{Macvlan, NetworkKind, Problems};
use std::collections::{BTreeMap, HashMap};

const DRIVER: &str = "--driver";
const PARENT: &str = "parent";
const MODE: &str = "macvlan_mode";

/// The driver and its options.
pub(super) fn to_wire(kind: &NetworkKind) -> (String, HashMap<String, String>) {
    let options = match kind {
        NetworkKind::Overlay | NetworkKind::Bridge => HashMap::new(),
        NetworkKind::Macvlan(Macvlan { parent, mode }) => {
            HashMap::from([(PARENT.to_owned(), parent.to_string()), (MODE.to_owned(), mode.to_string())])
        }
    };
    let driver = if *kind == NetworkKind::Overlay { "" } else { kind.driver() };
    (driver.to_owned(), options)
}

/// Reads a kind, noting every problem; no driver is an overlay.
pub(super) fn from_wire(
    driver: &str,
    options: HashMap<String, String>,
    problems: &mut Problems,
) -> NetworkKind {
    let mut options: BTreeMap<String, String> = options.into_iter().collect();
    let kind = match driver {
        "" | "overlay" => NetworkKind::Overlay,
        "bridge" => NetworkKind::Bridge,
        "macvlan" => macvlan(&mut options, problems).map_or(NetworkKind::Overlay, NetworkKind::Macvlan),
        "host" | "none" => {
            problems.add(
                DRIVER,
                format!(
                    "`{driver}` is on every node by itself: use it with 'service create --network {driver}'"
                ),
            );
            NetworkKind::Overlay
        }
        "ipvlan" => {
            problems.add(DRIVER, "`ipvlan` networks can't be made: use macvlan, overlay or bridge");
            NetworkKind::Overlay
        }
        other => {
            let shown: String = other.chars().take(60).collect();
            problems.add(DRIVER, format!("there is no driver `{shown}`: use overlay, bridge or macvlan"));
            NetworkKind::Overlay
        }
    };
    for option in options.keys() {
        let shown: String = option.chars().take(60).collect();
        let known = match driver {
            "macvlan" => "parent, macvlan_mode and mtu",
            _ => "mtu",
        };
        problems.add("--opt", format!("there is no option `{shown}` of this driver: use {known}"));
    }
    kind
}

/// What is asked of a network, whatever its kind.
#[derive(Debug, Clone, Copy)]
pub(super) struct Wanted {
    pub(super) ingress: bool,
    pub(super) internal: bool,
    pub(super) attachable: bool,
}

/// Notes what a network can't be that is not an overlay; `has_subnets` tells whether those are given that it needs.
pub(super) fn check(kind: &NetworkKind, wanted: Wanted, has_subnets: [bool; 2], problems: &mut Problems) {
    if wanted.ingress && *kind != NetworkKind::Overlay {
        problems.add("--ingress", format!("a {} network doesn't span nodes: use an overlay", kind.driver()));
    }
    if !matches!(kind, NetworkKind::Macvlan(_)) {
        return;
    }
    if wanted.attachable {
        let why = "a container that runs can't be put on a link of its node: attach services, which have new tasks then";
        problems.add("--attachable", why);
    }
    if wanted.internal {
        let why =
            "nobody keeps containers of a macvlan network from what else is on their link: use an overlay";
        problems.add("--internal", why);
    }
    if has_subnets != [true, true] {
        let why = "a macvlan network has the addresses of its link: give them, and IPv6 ones with --ipv6";
        problems.add("--subnet", why);
    }
}

fn macvlan(options: &mut BTreeMap<String, String>, problems: &mut Problems) -> Option<Macvlan> {
    let mode = match options.remove(MODE) {
        Some(mode) => problems.take("--opt macvlan_mode", mode.parse()),
        None => Some(Default::default()),
    };
    let Some(parent) = options.remove(PARENT) else {
        problems
            .add("--opt parent", "a macvlan network is on a link of the nodes: name it, such as parent=eth1");
        return None;
    };
    let parent = problems.take("--opt parent", parent.parse());
    Some(Macvlan { parent: parent?, mode: mode? })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(driver: &str, options: &[(&str, &str)]) -> (NetworkKind, String) {
        let mut problems = Problems::default();
        let options = options.iter().map(|(key, value)| (key.to_string(), value.to_string())).collect();
        let kind = from_wire(driver, options, &mut problems);
        (kind, problems.to_string())
    }

    #[test]
    fn a_kind_comes_back_from_the_wire_unchanged() {
        let macvlan = read("macvlan", &[("parent", "eth1.7"), ("macvlan_mode", "private")]).0;
        assert_eq!(macvlan.driver(), "macvlan");
        for kind in [NetworkKind::Overlay, NetworkKind::Bridge, macvlan] {
            let (driver, options) = to_wire(&kind);
            let mut problems = Problems::default();
            assert_eq!((from_wire(&driver, options, &mut problems), problems), (kind, Problems::default()));
        }
    }

    #[test]
    fn what_is_wrong_with_a_driver_is_told_with_what_would_be_right() {
        for (driver, options, says) in [
            ("macvlan", &[][..], "--opt parent: a macvlan network is on a link"),
            ("macvlan", &[("parent", "a/b")], "--opt parent: `a/b` is not"),
            (
                "macvlan",
                &[("parent", "eth1"), ("macvlan_mode", "x")],
                "--opt macvlan_mode: there is no mode `x`",
            ),
            ("overlay", &[("parent", "eth1")], "--opt: there is no option `parent`"),
            ("host", &[], "service create --network host"),
            ("ipvlan", &[], "use macvlan"),
            ("weave", &[], "no driver `weave`"),
        ] {
            let problems = read(driver, options).1;
            assert!(problems.starts_with(says) || problems.contains(says), "{driver}: {problems}");
        }
    }
}
