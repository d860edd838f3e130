//! Rules that were loaded, known again: whether somebody else changed them since, and how.

use std::collections::{BTreeMap, BTreeSet};
use std::io;

use worker_core::overlay::ElementChange;

use crate::namespace::Namespace;
use crate::nft::{Nft, NftError};
use crate::nft_change::{Transaction, body_of, part_of};
use crate::nft_dump::{Content, Dump, Part, Tables};

/// How often rules are loaded when others change theirs at the same moment.
const TRIES: usize = 5;

/// Number of the address family `netdev`; the other one that is used is `inet`.
const NETDEV: u8 = 5;

/// The tables of one name in one namespace, as they were right after they were loaded.
#[derive(Debug, Clone)]
pub(crate) struct Loaded {
    name: String,
    tables: Tables,
}

impl Loaded {
    /// Loads a script, and notes what the kernel has then. Should somebody else change tables in that very moment, it could
    /// be this one: it is loaded anew, by the script of the `whole` table.
    pub(crate) async fn load(
        nft: &Nft,
        namespace: &Namespace,
        name: &str,
        script: String,
        whole: impl Fn() -> String,
    ) -> Result<Self, NftError> {
        let (mut tables, mut is_alone) = nft.load_and_look(namespace, name, script).await?;
        for _ in 1..TRIES {
            if is_alone {
                break;
            }
            (tables, is_alone) = nft.load_and_look(namespace, name, whole()).await?;
        }
        Ok(Self { name: name.to_owned(), tables })
    }

    /// Changes elements, and reckons what the kernel has then instead of reading it, which would cost as much as all of it.
    /// Whether somebody else changed these very tables is found by the next look.
    pub(crate) async fn change(
        mut self,
        nft: &Nft,
        namespace: &Namespace,
        change: &ElementChange,
    ) -> Result<Self, NftError> {
        let Some(transaction) = Transaction::of(change) else {
            nft.load(namespace, &self.name, change.to_string()).await?;
            self.reckon(change);
            return Ok(self);
        };
        let counted = namespace.run(move || {
            let dump = Dump::open()?;
            let before = dump.generation()?;
            transaction.send(&dump)?;
            io::Result::Ok((before, dump.generation()?))
        });
        let (table, place) = (self.name.clone(), namespace.path().to_owned());
        let failed = |source| NftError::Change { table, namespace: place, source };
        let (before, after) = counted.await?.map_err(failed)?;
        self.reckon(change);
        if before == self.tables.generation && after == before.wrapping_add(1) {
            self.tables.generation = after;
        }
        Ok(self)
    }

    fn reckon(&mut self, change: &ElementChange) {
        for element in &change.remove {
            self.tables.parts.entry(part_of(element)).or_default().remove(&body_of(element));
        }
        for element in &change.add {
            self.tables.parts.entry(part_of(element)).or_default().add(&body_of(element));
        }
    }

    /// Says what is other than it was loaded. Changes of other tables are none, and cost one look each.
    pub(crate) async fn differences(&mut self, namespace: &Namespace) -> Result<Vec<String>, NftError> {
        let (name, known) = (self.name.clone(), self.tables.generation);
        let looked = namespace.run(move || {
            let dump = Dump::open()?;
            if dump.generation()? == known { Ok(None) } else { dump.tables(&name).map(Some) }
        });
        let failed = |source| NftError::Look { namespace: namespace.path().to_owned(), source };
        let Some(found) = looked.await?.map_err(failed)? else { return Ok(Vec::new()) };
        let told = compare(&self.name, &self.tables.parts, &found.parts);
        if told.is_empty() {
            self.tables.generation = found.generation;
        }
        Ok(told)
    }
}

fn compare(table: &str, known: &BTreeMap<Part, Content>, found: &BTreeMap<Part, Content>) -> Vec<String> {
    let mut told = Vec::new();
    let mut lost = BTreeSet::new();
    for (part, content) in known {
        if lost.contains(&part.family()) {
            continue;
        }
        match found.get(part) {
            None => {
                if let Part::Table(family) = part {
                    lost.insert(*family);
                }
                told.push(format!("{} is missing", part.name(table)));
            }
            Some(other) if other != content => told.push(change(part, table, content, other)),
            Some(_) => {}
        }
    }
    let foreign = found.keys().filter(|part| !known.contains_key(*part));
    told.extend(foreign.map(|part| format!("{} should not be there", part.name(table))));
    told
}

fn change(part: &Part, table: &str, known: &Content, found: &Content) -> String {
    let (name, what) = match part {
        Part::Set(..) => (part.name(table), "elements"),
        Part::Table(_) | Part::Chain(..) => (part.name(table), "rules"),
    };
    match known.entries.checked_sub(found.entries) {
        Some(missing @ 1..) => format!("{name} lacks {missing} of {} {what}", known.entries),
        _ => format!("{name} has other {what} than it was given"),
    }
}

impl Part {
    fn family(&self) -> u8 {
        let (Self::Table(family) | Self::Chain(family, _) | Self::Set(family, _)) = self;
        *family
    }

    fn name(&self, table: &str) -> String {
        let family = if self.family() == NETDEV { "netdev" } else { "inet" };
        match self {
            Self::Table(_) => format!("the nft table {family} {table}"),
            Self::Chain(_, chain) => format!("the chain {chain} of the nft table {family} {table}"),
            Self::Set(_, set) => format!("the set {set} of the nft table {family} {table}"),
        }
    }
}

#[cfg(test)]
mod tests {
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
            let loaded = Loaded::load(&nft, &namespace, "t", whole(), whole).await.unwrap();
            Self { nft, namespace, loaded }
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
            ("add chain inet t more\n", "the chain more of the nft table inet t should not be there"),
            (
                "add chain inet t input { policy drop; }\n",
                "the chain input of the nft table inet t has other rules than it was given",
            ),
        ] {
            let told = Bench::new().await.after(script).await;
            assert!(told.contains(&said.to_owned()), "{script}: {told:?}");
        }
    }

    #[tokio::test]
    async fn a_change_by_elements_is_noted_too() {
        let mut bench = Bench::new().await;
        let script = "add element inet t ports { 8080 }\n".to_owned();
        let loaded = Loaded::load(&bench.nft, &bench.namespace, "t", script, || TABLE.to_owned()).await;
        bench.loaded = loaded.unwrap();
        assert_eq!(bench.loaded.differences(&bench.namespace).await.unwrap(), [""; 0]);
        let told = bench.after("delete element inet t ports { 8080 }\n").await;
        assert_eq!(told, ["the set ports of the nft table inet t lacks 1 of 3 elements"]);
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
            let (changed, made) =
                (Namespace::temporary().await.unwrap(), Namespace::temporary().await.unwrap());
            let load = async |namespace, script: String| {
                Loaded::load(&nft, namespace, "t", script.clone(), || script.clone()).await.unwrap()
            };
            let change = ElementChange::between("t", &from, &to).unwrap();
            let loaded = load(&changed, table_of(&from, &to)).await;
            let mut loaded = loaded.change(&nft, &changed, &change).await.unwrap();
            let other = load(&made, table_of(&to, &from)).await;
            assert_eq!(loaded.tables.parts, other.tables.parts);
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
        let mut before = Loaded::load(&nft, &namespace, "t", whole(), whole).await.unwrap();
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
        let loaded = Loaded::load(&nft, &namespace, "t", whole(), whole).await.unwrap();
        let change = ElementChange::between("t", &few, &many).unwrap();
        assert!(Transaction::of(&change).is_none());
        let mut loaded = loaded.change(&nft, &namespace, &change).await.unwrap();
        assert_eq!(loaded.differences(&namespace).await.unwrap(), [""; 0]);
    }
}
