//! Whether a change by somebody else is noticed, named and undone.

use super::*;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::Path;
use worker_core::network::{PortKey, Protocol};
use worker_core::overlay::elements::{self, Elements};

const TABLE: &str = "add table inet t\ndelete table inet t\ntable inet t {\n\
    set ports { type inet_service; elements = { 80, 443 }; }\n\
    chain input { type filter hook input priority filter; policy accept;\n\
    tcp dport @ports accept\n tcp dport { 22, 23 } drop\n ip saddr 10.0.0.0/8 drop\n }\n}\n";

struct Bench {
    nft: Nft,
    namespace: Namespace,
    loaded: Loaded,
}

impl Bench {
    async fn new() -> Self {
        let (nft, namespace) = (Nft::new(Path::new("nft")), Namespace::temporary().await.unwrap());
        let whole = || TABLE.to_owned();
        let loading = Loaded::load(&nft, &namespace, "t", None, whole(), whole).await.unwrap();
        Self { nft, namespace, loaded: loading.loaded }
    }

    /// Loads a change of ours, after which the whole table is to be as given; tells what was undone by it.
    async fn load(&mut self, script: &str, whole: &str) -> Vec<String> {
        let (before, whole) = (Some(self.loaded.clone()), || whole.to_owned());
        let loading = Loaded::load(&self.nft, &self.namespace, "t", before, script.to_owned(), whole).await;
        let Loading { loaded, undone } = loading.unwrap();
        self.loaded = loaded;
        undone
    }

    /// What is told after somebody else's change.
    async fn after(&mut self, script: &str) -> Vec<String> {
        self.nft.load(&self.namespace, "", script.to_owned()).await.unwrap();
        self.loaded.differences(&self.namespace).await.unwrap()
    }
}

#[tokio::test]
async fn changes_of_other_tables_are_none() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.after("table inet other {\nchain a {\naccept\n}\n}\n").await, [""; 0]);
    assert_eq!(bench.after("table ip t2 {\nset ports {\ntype inet_service;\n}\n}\n").await, [""; 0]);
    assert_eq!(bench.after("delete table inet other\n").await, [""; 0]);
}

#[tokio::test]
async fn what_is_put_back_as_it_was_is_no_change() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.after(TABLE).await, [""; 0]);
    let script = "delete element inet t ports { 80 }\nadd element inet t ports { 80 }\n";
    assert_eq!(bench.after(script).await, [""; 0]);
}

#[tokio::test]
async fn what_others_take_change_or_add_is_named() {
    for (script, said) in [
        ("delete table inet t\n", "the nft table inet t is missing"),
        (
            "delete element inet t ports { 80 }\n",
            "the set ports of the nft table inet t lacks 1 of 2 elements",
        ),
        ("flush chain inet t input\n", "the chain input of the nft table inet t lacks 3 of 3 rules"),
        (
            "add rule inet t input accept\n",
            "the chain input of the nft table inet t has other rules than it was given",
        ),
        (
            "delete element inet t ports { 80 }\nadd element inet t ports { 81 }\n",
            "the set ports of the nft table inet t has other elements than it was given",
        ),
        ("add table inet t { flags dormant; }\n", "the nft table inet t has other flags than it was given"),
        ("add chain inet t more\n", "the chain more of the nft table inet t should not be there"),
        (
            "add chain inet t input { policy drop; }\n",
            "the chain input of the nft table inet t has other rules than it was given",
        ),
    ] {
        let mut bench = Bench::new().await;
        let told = bench.after(script).await;
        assert!(told.contains(&said.to_owned()), "{script}: {told:?}");
        // The whole table takes the place of whatever was done to it.
        bench.load(TABLE, TABLE).await;
        let before = bench.loaded.clone();
        assert_eq!(bench.after(TABLE).await, [""; 0], "{script}");
        assert_eq!(before.tables.unwrap().parts, Bench::new().await.loaded.tables.unwrap().parts, "{script}");
    }
}

#[tokio::test]
async fn a_change_by_elements_is_noted_too() {
    let mut bench = Bench::new().await;
    assert_eq!(bench.load("add element inet t ports { 8080 }\n", TABLE).await, [""; 0]);
    assert_eq!(bench.loaded.differences(&bench.namespace).await.unwrap(), [""; 0]);
    let told = bench.after("delete element inet t ports { 8080 }\n").await;
    assert_eq!(told, ["the set ports of the nft table inet t lacks 1 of 3 elements"]);
}

#[tokio::test]
async fn what_others_changed_right_before_a_change_of_ours_is_undone_by_it() {
    let mut bench = Bench::new().await;
    bench.nft.load(&bench.namespace, "", "flush chain inet t input\n".to_owned()).await.unwrap();
    let whole = TABLE.replace("80, 443", "80, 443, 8080");
    let undone = bench.load("add element inet t ports { 8080 }\n", &whole).await;
    assert_eq!(undone[0], "the chain input of the nft table inet t lacks 3 of 3 rules");
    assert_eq!(bench.loaded.differences(&bench.namespace).await.unwrap(), [""; 0]);
    let told = bench.after("flush chain inet t input\n").await;
    assert_eq!(told[0], "the chain input of the nft table inet t lacks 3 of 3 rules");
}

#[tokio::test]
async fn changes_of_other_tables_right_before_are_no_reason_to_load_the_whole() {
    let mut bench = Bench::new().await;
    bench.nft.load(&bench.namespace, "", "add table inet other\n".to_owned()).await.unwrap();
    assert_eq!(bench.load("add element inet t ports { 8080 }\n", "this is no script").await, [""; 0]);
}

#[tokio::test]
async fn a_table_whose_content_is_not_known_is_told_as_different() {
    let mut bench = Bench::new().await;
    bench.loaded.tables = None;
    assert_eq!(bench.loaded.differences(&bench.namespace).await.unwrap().len(), 1);
    bench.load("this is no script", TABLE).await;
    assert_eq!(bench.loaded.differences(&bench.namespace).await.unwrap(), [""; 0]);
}

/// Elements of every kind, for so many backends.
fn elements(backends: u8) -> Elements {
    let port = PortKey { protocol: Protocol::Udp, port: NonZeroU16::new(8053).unwrap() };
    let (mut all, mut sockets) = (elements::of_origin(0x0102), BTreeSet::new());
    for (vip, pool) in [("10.0.1.200", "10.0.1."), ("fd00::c8", "fd00::")] {
        let address = |number: u8| format!("{pool}{number}").parse::<IpAddr>().unwrap();
        let backends: BTreeSet<IpAddr> = (1..=backends).map(address).collect();
        sockets.extend(backends.iter().map(|backend| SocketAddr::new(*backend, 53)));
        all.extend(elements::of_service(vip.parse().unwrap(), &backends, 7));
        all.extend(elements::of_container("c2bdft1ypc1h4", &backends));
    }
    all.extend(elements::of_port(port, &sockets, 7));
    all
}

/// A table with these elements, and with the sets of others too.
fn table_of(elements: &Elements, others: &Elements) -> String {
    let mut script = String::from("add table inet t\ndelete table inet t\n");
    let sets: BTreeSet<_> = elements.iter().chain(others).map(|element| element.set).collect();
    for set in sets {
        let (family, head, kind) = (set.table_family(), set.head(), set.kind());
        script += &format!("table {family} t {{ {head} {{ {kind}; }}; }}\n");
    }
    let whole = ElementChange::between("t", &Elements::new(), elements);
    script + &whole.unwrap().to_string()
}

#[tokio::test]
async fn a_change_over_netlink_is_the_one_that_the_program_would_make() {
    for (from, to) in [(1, 2), (5, 4), (8, 9)].map(|(from, to)| (elements(from), elements(to))) {
        let nft = Nft::new(Path::new("nft"));
        let (changed, made) = (Namespace::temporary().await.unwrap(), Namespace::temporary().await.unwrap());
        let load = async |namespace, script: String| {
            let whole = || script.clone();
            Loaded::load(&nft, namespace, "t", None, whole(), whole).await.unwrap().loaded
        };
        let change = ElementChange::between("t", &from, &to).unwrap();
        let loaded = load(&changed, table_of(&from, &to)).await;
        let mut loaded = loaded.change(&nft, &changed, &change).await.unwrap();
        let other = load(&made, table_of(&to, &from)).await;
        assert_eq!(loaded.tables.as_ref().unwrap().parts, other.tables.unwrap().parts);
        // Somebody else's table has all of them read.
        nft.load(&changed, "other", "table inet other {}".to_owned()).await.unwrap();
        assert_eq!(loaded.differences(&changed).await.unwrap(), [""; 0]);
    }
}

#[tokio::test]
async fn a_change_that_the_kernel_refuses_changes_nothing() {
    let (nft, namespace) = (Nft::new(Path::new("nft")), Namespace::temporary().await.unwrap());
    let (there, wanted) = (elements(2), elements(3));
    let whole = || table_of(&there, &wanted);
    let mut before = Loaded::load(&nft, &namespace, "t", None, whole(), whole).await.unwrap().loaded;
    // What is to go is not there.
    let change = ElementChange::between("t", &wanted, &there).unwrap();
    let refused = before.clone().change(&nft, &namespace, &change).await;
    assert!(matches!(&refused, Err(NftError::Change { table, .. }) if table == "t"), "{refused:?}");
    assert_eq!(before.differences(&namespace).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn a_change_too_large_for_one_message_is_made_all_the_same() {
    let (nft, namespace) = (Nft::new(Path::new("nft")), Namespace::temporary().await.unwrap());
    let (few, many) = (elements(1), elements(200));
    let whole = || table_of(&few, &many);
    let loaded = Loaded::load(&nft, &namespace, "t", None, whole(), whole).await.unwrap().loaded;
    let change = ElementChange::between("t", &few, &many).unwrap();
    assert!(Transaction::of(&change).is_none());
    let mut loaded = loaded.change(&nft, &namespace, &change).await.unwrap();
    assert_eq!(loaded.differences(&namespace).await.unwrap(), [""; 0]);
}

#[tokio::test]
async fn what_others_changed_right_before_a_change_of_elements_is_found_after_it() {
    let (nft, namespace) = (Nft::new(Path::new("nft")), Namespace::temporary().await.unwrap());
    let (few, many) = (elements(1), elements(2));
    let whole = || table_of(&few, &many) + "table inet t { chain input { accept; }; }\n";
    let loaded = Loaded::load(&nft, &namespace, "t", None, whole(), whole).await.unwrap().loaded;
    nft.load(&namespace, "", "flush chain inet t input\n".to_owned()).await.unwrap();
    let change = ElementChange::between("t", &few, &many).unwrap();
    let mut loaded = loaded.change(&nft, &namespace, &change).await.unwrap();
    let told = loaded.differences(&namespace).await.unwrap();
    assert_eq!(told, ["the chain input of the nft table inet t lacks 1 of 1 rules"]);
}
