//! What this machine lacks for containers to have a network, tried in a throw-away namespace.

use std::fmt::Display;
use std::path::Path;

use rtnetlink::packet_route::link::{LinkMessage, MacVlanMode};
use rtnetlink::{LinkMacVlan, LinkVeth, LinkVlan, LinkVxlan};

use crate::conntrack;
use crate::link_error::LinkError;
use crate::links::Links;
use crate::namespace::{Namespace, NamespaceError};
use crate::nft::{Nft, NftError};
use crate::sysctl::{self, Setting};

/// What came out of trying one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It works; the text says more where there is more to say, such as a version.
    Works(String),
    /// It does not; the text says how it showed.
    Missing(String),
    /// It does not, and only those who ask for it need it.
    Spare(String),
}

/// One thing that was tried.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Check {
    /// What was tried.
    pub name: &'static str,
    /// What came out.
    pub outcome: Outcome,
    /// What to do when it is missing.
    pub remedy: &'static str,
}

impl Check {
    /// Tells whether the thing is missing.
    pub fn is_missing(&self) -> bool {
        matches!(self.outcome, Outcome::Missing(_))
    }

    fn new<E: Display>(name: &'static str, remedy: &'static str, tried: Result<String, E>) -> Self {
        let outcome = match tried {
            Ok(detail) => Outcome::Works(detail),
            Err(error) => Outcome::Missing(error.to_string()),
        };
        Self { name, outcome, remedy }
    }

    /// Makes it no matter for those who do not ask for it.
    fn spare(mut self) -> Self {
        if let Outcome::Missing(how) = self.outcome {
            self.outcome = Outcome::Spare(how);
        }
        self
    }
}

/// A rule that needs one feature of the kernel.
struct Probe {
    name: &'static str,
    remedy: &'static str,
    hook: &'static str,
    rule: &'static str,
}

/// What networks that span nodes need besides.
const OVERLAY_PROBES: [Probe; 2] = [
    Probe {
        name: "nf_tables balancing",
        remedy: "enable CONFIG_NFT_NUMGEN, or load the module nft_numgen; without it services have no virtual addresses",
        hook: "type nat hook prerouting priority -100",
        rule: "dnat ip to ip daddr . numgen inc mod 16 map { 192.0.2.1 . 0 : 192.0.2.2 }",
    },
    Probe {
        name: "nf_tables reject",
        remedy: "enable CONFIG_NFT_REJECT_INET on Linux 5.9 or later, or load the module nft_reject_inet",
        hook: "type filter hook prerouting priority -90",
        rule: "ip daddr 192.0.2.1 meta l4proto tcp reject with tcp reset",
    },
];

/// In the order in which one needs the other.
const PROBES: [Probe; 6] = [
    Probe {
        name: "nf_tables",
        remedy: "enable CONFIG_NF_TABLES and CONFIG_NF_TABLES_INET, or load the module nf_tables",
        hook: "type filter hook forward priority 0",
        rule: "",
    },
    Probe {
        name: "connection tracking",
        remedy: "enable CONFIG_NF_CONNTRACK and CONFIG_NFT_CT, or load the modules nf_conntrack and nft_ct",
        hook: "type filter hook forward priority 0",
        rule: "ct state new ct status & dnat == 0 drop",
    },
    Probe {
        name: "nf_tables nat",
        remedy: "enable CONFIG_NF_NAT and CONFIG_NFT_NAT, or load the modules nf_nat, nft_nat and nft_chain_nat",
        hook: "type nat hook prerouting priority -100",
        rule: "ip daddr 192.0.2.1 dnat ip to 192.0.2.2",
    },
    Probe {
        name: "nf_tables masquerade",
        remedy: "enable CONFIG_NFT_MASQ, or load the module nft_masq",
        hook: "type nat hook postrouting priority 100",
        rule: "masquerade",
    },
    Probe {
        name: "nf_tables fib",
        remedy: "enable CONFIG_NFT_FIB_INET, or load the module nft_fib_inet",
        hook: "type filter hook prerouting priority 0",
        rule: "fib daddr type local accept",
    },
    Probe {
        name: "nf_tables ranges",
        remedy: "run Linux 5.6 or later: ports of some addresses are sets of ranges",
        hook: "type filter hook prerouting priority 0",
        rule: "ip daddr . meta l4proto . th dport { 192.0.2.0/24 . tcp . 80 } accept",
    },
];

/// Tries everything the network needs, in the same order every time; without namespaces nothing else can be tried.
pub async fn preflight(nft_program: &Path) -> Vec<Check> {
    let nft = Nft::new(nft_program);
    let namespaces = "run as root on a kernel with CONFIG_NET_NS; nothing else could be tried";
    let namespace = match Namespace::temporary().await {
        Ok(namespace) => namespace,
        Err(error) => return vec![Check::new("network namespaces", namespaces, Err(error))],
    };
    let mut checks = vec![
        Check::new("network namespaces", namespaces, Ok::<_, NamespaceError>(String::new())),
        veth(&namespace).await,
        vxlan(&namespace).await,
        macvlan(&namespace).await.spare(),
        vlan(&namespace).await.spare(),
        forwarding(&namespace).await,
        Check::new("nft", "install the package nftables", nft.version(&namespace).await),
    ];
    for probe in PROBES.iter().chain(&OVERLAY_PROBES) {
        checks.push(try_rule(&nft, &namespace, probe).await);
    }
    checks.push(ways_back(&nft, &namespace).await);
    checks.push(connections(&namespace).await);
    checks
}

/// Finds what the kernel lacks for rules it refused.
pub(crate) async fn first_missing_rule(nft: &Nft) -> Option<Check> {
    let namespace = Namespace::temporary().await.ok()?;
    for probe in &PROBES {
        let check = try_rule(nft, &namespace, probe).await;
        if check.is_missing() {
            return Some(check);
        }
    }
    None
}

async fn try_rule(nft: &Nft, namespace: &Namespace, probe: &Probe) -> Check {
    let (hook, rule) = (probe.hook, probe.rule);
    let script = format!(
        "table inet preflight {{\n\tchain probe {{\n\t\t{hook};\n\t\t{rule}\n\t}}\n}}\ndelete table inet preflight\n"
    );
    let tried: Result<(), NftError> = nft.load(namespace, "preflight", script).await;
    Check::new(probe.name, probe.remedy, tried.map(|()| String::new()))
}

/// Tries what sends answers to clients of published ports back through the node they came in at.
async fn ways_back(nft: &Nft, namespace: &Namespace) -> Check {
    let script = "table netdev preflight {\n\tchain probe {\n\t\ttype filter hook egress device \"lo\" priority filter;\n\t\tether daddr set meta mark map { 0x1 : 02:73:00:00:00:01 }\n\t}\n}\ndelete table netdev preflight\n";
    let tried = nft.load(namespace, "preflight", script.to_owned()).await;
    let remedy = "enable CONFIG_NETFILTER_EGRESS on Linux 5.16 or later; without it ports can be published with mode=host only";
    Check::new("nf_tables egress", remedy, tried.map(|()| String::new()))
}

async fn connections(namespace: &Namespace) -> Check {
    let tried = conntrack::try_listing(namespace).await;
    let remedy = "enable CONFIG_NF_CT_NETLINK, or load the module nf_conntrack_netlink";
    Check::new("conntrack over netlink", remedy, tried.map(|()| String::new()))
}

async fn veth(namespace: &Namespace) -> Check {
    let link = LinkVeth::new("probe0", "probe1").build();
    let tried = add(namespace, "probe0", link, "veth", "CONFIG_VETH").await;
    Check::new("veth", "enable CONFIG_VETH, or load the module veth", tried)
}

async fn vxlan(namespace: &Namespace) -> Check {
    let link = LinkVxlan::new("probe2", 1).port(4789).build();
    let tried = add(namespace, "probe2", link, "vxlan", "CONFIG_VXLAN").await;
    let remedy = "enable CONFIG_VXLAN, or load the module vxlan; without it there are no overlay networks";
    Check::new("vxlan", remedy, tried)
}

async fn macvlan(namespace: &Namespace) -> Check {
    let tried = async {
        let below = Links::of(namespace).await?.expect("probe0").await?;
        let link = LinkMacVlan::new("probe3", below.index, MacVlanMode::Bridge).build();
        add(namespace, "probe3", link, "macvlan", "CONFIG_MACVLAN").await
    };
    let remedy =
        "enable CONFIG_MACVLAN, or load the module macvlan; without it there are no macvlan networks";
    Check::new("macvlan", remedy, tried.await)
}

async fn vlan(namespace: &Namespace) -> Check {
    let tried = async {
        let below = Links::of(namespace).await?.expect("probe0").await?;
        let link = LinkVlan::new("probe4", below.index, 4).build();
        add(namespace, "probe4", link, "8021q", "CONFIG_VLAN_8021Q").await
    };
    let remedy = "enable CONFIG_VLAN_8021Q, or load the module 8021q; without it no macvlan network can be on a VLAN \
                  that the node does not have yet";
    Check::new("vlan", remedy, tried.await)
}

async fn add(
    namespace: &Namespace,
    name: &str,
    link: LinkMessage,
    kind: &'static str,
    option: &'static str,
) -> Result<String, LinkError> {
    Links::of(namespace).await?.add(name, link, kind, option).await?;
    Ok(String::new())
}

async fn forwarding(namespace: &Namespace) -> Check {
    let tried = sysctl::apply(namespace, vec![Setting::new("ipv4/ip_forward", "1")]).await;
    let remedy = "make /proc/sys/net writable for the daemon";
    Check::new("ip_forward", remedy, tried.map(|()| String::new()))
}
