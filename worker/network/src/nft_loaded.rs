//! Rules that were loaded, known again: whether somebody else changed them since, and how.

use std::collections::{BTreeMap, BTreeSet};

use crate::namespace::Namespace;
use crate::nft::{Nft, NftError};
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
    use std::path::Path;

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
}
