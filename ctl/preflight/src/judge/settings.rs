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
    match (settings.bridge_calls_iptables, settings.ip_forward) {
        (None | Some(0), _) => Check::ok(NAME, "off"),
        (Some(_), Some(forwarding)) if forwarding != 0 => Check::ok(NAME, "on, and so is forwarding"),
        (Some(_), _) => Check::warning(
            NAME,
            "on while forwarding is off: what crosses this machine's bridges will be dropped, since a node that \
             switches forwarding on drops what is forwarded for others",
            "set net.bridge.bridge-nf-call-iptables=0 in /etc/sysctl.d, or net.ipv4.ip_forward=1 to keep forwarding for all",
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    fn states(rp_filter: Option<u32>, bridge_calls_iptables: Option<u32>, ip_forward: u32) -> [State; 2] {
        let settings = Settings { rp_filter, bridge_calls_iptables, ip_forward: Some(ip_forward) };
        all(&settings).map(|check| check.state)
    }

    #[test]
    fn only_a_strict_reverse_path_filter_is_a_warning() {
        let of = |value| states(value, None, 0)[0];
        assert_eq!(
            [of(None), of(Some(0)), of(Some(1)), of(Some(2))],
            [State::Ok, State::Ok, State::Warning, State::Ok]
        );
    }

    #[test]
    fn bridges_are_cut_off_only_where_the_daemon_switches_forwarding_on() {
        let of = |value, forwarding| states(None, value, forwarding)[1];
        assert_eq!(of(Some(1), 0), State::Warning);
        assert_eq!([of(Some(1), 1), of(Some(0), 0), of(None, 0)], [State::Ok; 3]);
    }
}
