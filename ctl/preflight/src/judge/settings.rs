//! Kernel settings that the daemon leaves alone and that may be in its way.

use crate::{check::Check, facts::Settings};

/// Judges each setting. Forwarding is not among them: the daemon sees to it.
pub fn all(settings: &Settings) -> [Check; 2] {
    [rp_filter(settings), bridge_calls(settings)]
}

fn rp_filter(settings: &Settings) -> Check {
    const NAME: &str = "rp_filter";
    match settings.rp_filter {
        Some(1) => Check::warning(
            NAME,
            "strict: what comes in by another link than the one its answer leaves by is dropped",
            "set net.ipv4.conf.all.rp_filter=2 in /etc/sysctl.d, for machines with more than one link",
        ),
        Some(2) => Check::ok(NAME, "loose"),
        Some(_) => Check::ok(NAME, "off"),
        None => Check::ok(NAME, "the kernel has none"),
    }
}

fn bridge_calls(settings: &Settings) -> Check {
    const NAME: &str = "br_netfilter";
    if settings.bridge_calls_iptables.is_none_or(|value| value == 0) {
        return Check::ok(NAME, "off");
    }
    if !settings.has_bridge {
        return Check::ok(NAME, "on, and there is no bridge");
    }
    if settings.ip_forward.is_some_and(|value| value != 0) {
        return Check::ok(NAME, "on, and so is forwarding");
    }
    let found = "on while forwarding is off: what crosses this machine's bridges will be dropped, since a node that \
                 switches forwarding on drops what is forwarded for others";
    let remedy = "set net.bridge.bridge-nf-call-iptables=0 in /etc/sysctl.d, or net.ipv4.ip_forward=1 to keep \
                  forwarding for all";
    Check::warning(NAME, found, remedy)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    #[test]
    fn only_a_strict_reverse_path_filter_is_a_warning() {
        let of = |rp_filter| all(&Settings { rp_filter, ..Settings::default() })[0].state;
        let states = [None, Some(0), Some(1), Some(2)].map(of);
        assert_eq!(states, [State::Ok, State::Ok, State::Warning, State::Ok]);
    }

    #[test]
    fn bridges_are_cut_off_only_where_the_daemon_switches_forwarding_on() {
        let of = |bridge_calls_iptables, forwarding, has_bridge| {
            let ip_forward = Some(forwarding);
            all(&Settings { rp_filter: None, ip_forward, bridge_calls_iptables, has_bridge })[1].state
        };
        assert_eq!(of(Some(1), 0, true), State::Warning);
        let fine = [of(Some(1), 1, true), of(Some(1), 0, false), of(Some(0), 0, true), of(None, 0, true)];
        assert_eq!(fine, [State::Ok; 4]);
    }
}
