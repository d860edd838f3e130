//! Other programs' firewalls: what one of them drops stays dropped, whatever our rules accept.

use crate::{
    check::Check,
    facts::{ClosedChain, Firewalls, Hook, Owner},
};

const NAME: &str = "other firewalls";

/// Judges each chain that drops what is forwarded or comes in; one check if there is none.
pub fn all(firewalls: &Result<Firewalls, String>) -> Vec<Check> {
    let firewalls = match firewalls {
        Ok(firewalls) => firewalls,
        Err(why) => {
            let remedy = "see with 'nft list ruleset' whether a chain drops what is forwarded";
            return vec![Check::warning(NAME, why, remedy)];
        }
    };
    let mut checks: Vec<Check> = firewalls.closed.iter().map(closed).collect();
    if firewalls.has_legacy_iptables {
        checks.push(Check::warning(
            NAME,
            "there are rules of the old iptables, which nft can't list",
            "see with 'iptables-legacy -S FORWARD' whether they drop; accept what has '-i sh+' or '-o sh+' there",
        ));
    }
    if checks.is_empty() {
        checks.push(Check::ok(NAME, "none drops what nodes need"));
    }
    checks
}

fn closed(chain: &ClosedChain) -> Check {
    let ClosedChain { hook, family, table, chain: name, owner } = chain;
    let by = match owner {
        Owner::Docker => "Docker's ",
        Owner::Ufw => "ufw's ",
        Owner::Firewalld => "firewalld's ",
        Owner::Unknown => "",
    };
    if *hook == Hook::Input {
        let found = format!(
            "{by}chain {name} in table {family} {table} drops what comes in, other nodes' packets too"
        );
        return Check::warning(NAME, found, let_nodes_in(chain));
    }
    let found = format!(
        "{by}chain {name} in table {family} {table} drops what is forwarded, containers' packets too"
    );
    let remedy = match owner {
        Owner::Docker => {
            let iptables = if family == "ip6" { "ip6tables" } else { "iptables" };
            format!(
                "let them pass: {iptables} -I DOCKER-USER -i sh+ -j ACCEPT; {iptables} -I DOCKER-USER -o sh+ -j ACCEPT"
            )
        }
        Owner::Ufw => "let them pass: 'ufw route allow in on LINK' and 'ufw route allow out on LINK', where LINK is the \
                       node's link sh...u that 'ip link' shows once the node runs"
            .to_owned(),
        Owner::Firewalld => {
            "let them pass: firewall-cmd --permanent --zone=trusted --add-interface=sh+ && firewall-cmd --reload".to_owned()
        }
        Owner::Unknown => {
            format!("let chain {name} in table {family} {table} accept what comes from or goes to links named sh*")
        }
    };
    Check::warning(NAME, found, remedy)
}

/// What opens a machine to the other nodes: managers to all of them, tunnels to those with containers.
fn let_nodes_in(chain: &ClosedChain) -> String {
    let ClosedChain { family, table, chain: name, owner, .. } = chain;
    match owner {
        Owner::Ufw => "let them in: 'ufw allow 4789/udp', and 'ufw allow 2377/tcp' on managers".to_owned(),
        Owner::Firewalld => {
            "let them in: firewall-cmd --permanent --add-port=4789/udp && firewall-cmd --reload, and \
                             --add-port=2377/tcp on managers"
                .to_owned()
        }
        Owner::Docker | Owner::Unknown => format!(
            "let chain {name} in table {family} {table} accept udp dport 4789 from the other nodes, tcp dport 2377 on \
             managers, and what comes from links named sh* for containers with host-gateway"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    fn remedy(owner: Owner, family: &str) -> String {
        let (table, chain) = ("filter".into(), "FORWARD".into());
        let chain = ClosedChain { hook: Hook::Forward, family: family.into(), table, chain, owner };
        let checks = all(&Ok(Firewalls { closed: vec![chain], has_legacy_iptables: false }));
        assert_eq!((checks.len(), checks[0].state), (1, State::Warning));
        checks[0].remedy.clone()
    }

    #[test]
    fn each_firewall_has_its_own_way_of_letting_packets_pass() {
        assert!(remedy(Owner::Docker, "ip").contains("iptables -I DOCKER-USER -i sh+ -j ACCEPT"));
        assert!(remedy(Owner::Docker, "ip6").contains("ip6tables -I"));
        assert!(remedy(Owner::Ufw, "ip").contains("ufw route allow in"));
        assert!(remedy(Owner::Firewalld, "inet").contains("--add-interface=sh+"));
        assert!(remedy(Owner::Unknown, "inet").contains("chain FORWARD in table inet filter"));
    }

    #[test]
    fn what_comes_in_is_let_in_by_ports() {
        for (owner, words) in [
            (Owner::Ufw, "ufw allow 4789/udp"),
            (Owner::Firewalld, "--add-port=4789/udp"),
            (Owner::Unknown, "udp dport 4789"),
        ] {
            let (family, table, chain) = ("inet".into(), "filter".into(), "INPUT".into());
            let chain = ClosedChain { hook: Hook::Input, family, table, chain, owner };
            let check = &all(&Ok(Firewalls { closed: vec![chain], has_legacy_iptables: false }))[0];
            assert!(check.found.contains("drops what comes in"), "{}", check.found);
            assert!(check.remedy.contains(words) && check.remedy.contains("2377"), "{}", check.remedy);
        }
    }

    #[test]
    fn without_one_that_drops_there_is_one_good_word() {
        let checks = all(&Ok(Firewalls::default()));
        assert_eq!(checks, [Check::ok(NAME, "none drops what nodes need")]);
    }

    #[test]
    fn rules_that_cannot_be_seen_are_a_warning() {
        let legacy = all(&Ok(Firewalls { closed: vec![], has_legacy_iptables: true }));
        assert_eq!(legacy[0].state, State::Warning);
        assert_eq!(all(&Err("no nft".into()))[0].state, State::Warning);
    }
}
