//! Which chains drop what is forwarded or comes in, from `nft --json list ruleset`.

use crate::facts::{ClosedChain, Hook, Owner};
use serde::Deserialize;
use serde_json::Value;

/// Where nodes receive each other's containers' packets: a firewall that knows the port was told of nodes.
const TUNNELS_PORT: u64 = 4789;

/// How the names of this program's own tables begin.
const OWN_TABLES: &str = "shoal-";

#[derive(Deserialize)]
struct Ruleset {
    nftables: Vec<Object>,
}

/// One object of the list; kinds that don't matter here have neither.
#[derive(Deserialize)]
struct Object {
    chain: Option<Chain>,
    rule: Option<Rule>,
}

#[derive(Deserialize)]
struct Chain {
    family: String,
    table: String,
    name: String,
    r#type: Option<String>,
    hook: Option<String>,
    policy: Option<String>,
}

#[derive(Deserialize)]
struct Rule {
    family: String,
    table: String,
    chain: String,
    #[serde(default)]
    expr: Vec<Value>,
}

/// Lists the chains of others that drop what is forwarded, or what comes in, unless a rule of theirs lets it through.
pub fn closed_chains(json: &[u8]) -> Result<Vec<ClosedChain>, serde_json::Error> {
    let ruleset: Ruleset = serde_json::from_slice(json)?;
    let (mut chains, mut rules) = (Vec::new(), Vec::new());
    for object in ruleset.nftables {
        chains.extend(object.chain);
        rules.extend(object.rule);
    }
    let closed = chains.iter().filter(|chain| is_closed(chain, &rules));
    Ok(closed
        .filter_map(|chain| Some((hook(chain)?, chain)))
        .filter(|(hook, chain)| *hook == Hook::Forward || !knows_tunnels(chain, &rules))
        .map(|(hook, chain)| ClosedChain {
            hook,
            family: chain.family.clone(),
            table: chain.table.clone(),
            chain: chain.name.clone(),
            owner: owner(chain, &chains),
        })
        .collect())
}

/// Which packets another program's chain filters, if it is one that matters here.
fn hook(chain: &Chain) -> Option<Hook> {
    let of_packets = matches!(chain.family.as_str(), "ip" | "ip6" | "inet");
    let filters = chain.r#type.as_deref() == Some("filter") && !chain.table.starts_with(OWN_TABLES);
    match chain.hook.as_deref() {
        Some("forward") if of_packets && filters => Some(Hook::Forward),
        Some("input") if of_packets && filters => Some(Hook::Input),
        _ => None,
    }
}

/// Whether any rule beside a chain names the port of tunnels.
fn knows_tunnels(chain: &Chain, rules: &[Rule]) -> bool {
    fn names(value: &Value) -> bool {
        match value {
            Value::Number(number) => number.as_u64() == Some(TUNNELS_PORT),
            Value::Array(values) => values.iter().any(names),
            Value::Object(fields) => fields.values().any(names),
            _ => false,
        }
    }
    let beside = |rule: &&Rule| rule.family == chain.family && rule.table == chain.table;
    rules.iter().filter(beside).any(|rule| rule.expr.iter().any(names))
}

/// Whether a chain drops by its policy, or by a last rule that is about everything, as firewalld does it.
fn is_closed(chain: &Chain, rules: &[Rule]) -> bool {
    let is_its =
        |rule: &&Rule| rule.family == chain.family && rule.table == chain.table && rule.chain == chain.name;
    chain.policy.as_deref() == Some("drop")
        || rules.iter().rfind(is_its).is_some_and(|rule| drops_everything(&rule.expr))
}

fn drops_everything(statements: &[Value]) -> bool {
    let Some((last, before)) = statements.split_last() else { return false };
    let drops = last.get("drop").is_some()
        || last.get("reject").is_some()
        || matches!(last.pointer("/xt/name").and_then(Value::as_str), Some("REJECT" | "DROP"));
    drops
        && before.iter().all(|statement| statement.get("counter").is_some() || statement.get("log").is_some())
}

fn owner(chain: &Chain, all: &[Chain]) -> Owner {
    let beside = |prefix: &str| {
        all.iter().any(|other| {
            other.family == chain.family && other.table == chain.table && other.name.starts_with(prefix)
        })
    };
    if chain.table == "firewalld" {
        Owner::Firewalld
    } else if beside("ufw") {
        // Docker may share the table. Either one's way works then; what ufw is told lasts.
        Owner::Ufw
    } else if beside("DOCKER-USER") || chain.table == "docker-bridges" {
        Owner::Docker
    } else {
        Owner::Unknown
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn chain(table: &str, name: &str, policy: Option<&str>) -> Value {
        match policy {
            Some(policy) => json!({"chain": {"family": "ip", "table": table, "name": name, "handle": 1,
                "type": "filter", "hook": "forward", "prio": 0, "policy": policy}}),
            None => json!({"chain": {"family": "ip", "table": table, "name": name, "handle": 2}}),
        }
    }

    fn rule(table: &str, chain: &str, expr: Value) -> Value {
        json!({"rule": {"family": "ip", "table": table, "chain": chain, "handle": 3, "expr": expr}})
    }

    fn closed(objects: &[Value]) -> Vec<(String, Owner)> {
        let mut all = vec![json!({"metainfo": {"version": "1.0.6", "json_schema_version": 1}})];
        all.extend_from_slice(objects);
        let json = json!({ "nftables": all }).to_string();
        let found = closed_chains(json.as_bytes()).unwrap();
        found.into_iter().map(|chain| (format!("{} {}", chain.table, chain.chain), chain.owner)).collect()
    }

    #[test]
    fn a_policy_of_drop_closes_a_chain_and_its_neighbours_tell_whose_it_is() {
        let forward = chain("filter", "FORWARD", Some("drop"));
        let name = "filter FORWARD".to_owned();
        assert_eq!(closed(std::slice::from_ref(&forward)), [(name.clone(), Owner::Unknown)]);
        let docker = [forward.clone(), chain("filter", "DOCKER-USER", None)];
        assert_eq!(closed(&docker), [(name.clone(), Owner::Docker)]);
        let ufw =
            [forward, chain("filter", "ufw-before-forward", None), chain("filter", "DOCKER-USER", None)];
        assert_eq!(closed(&ufw), [(name, Owner::Ufw)]);
    }

    #[test]
    fn a_last_rule_about_everything_closes_a_chain_too() {
        let open = chain("firewalld", "filter_FORWARD", Some("accept"));
        let some = json!([{"match": {"op": "==", "left": {"meta": {"key": "iifname"}}, "right": "eth9"}}, {"drop": null}]);
        let all = json!([{"counter": {"packets": 0, "bytes": 0}}, {"reject": {"type": "icmpx", "expr": "admin-prohibited"}}]);
        let conditional = [open.clone(), rule("firewalld", "filter_FORWARD", some)];
        assert_eq!(closed(&conditional), []);
        let total = [open, rule("firewalld", "filter_FORWARD", all)];
        assert_eq!(closed(&total), [("firewalld filter_FORWARD".to_owned(), Owner::Firewalld)]);
    }

    #[test]
    fn our_own_tables_and_other_hooks_do_not_count() {
        let output = json!({"chain": {"family": "ip", "table": "filter", "name": "OUTPUT", "handle": 1,
            "type": "filter", "hook": "output", "prio": 0, "policy": "drop"}});
        assert_eq!(closed(&[output, chain("shoal-abc", "guard", Some("drop"))]), []);
    }

    #[test]
    fn a_chain_that_drops_what_comes_in_counts_until_it_knows_the_tunnels() {
        let input = json!({"chain": {"family": "ip", "table": "filter", "name": "INPUT", "handle": 1,
            "type": "filter", "hook": "input", "prio": 0, "policy": "drop"}});
        assert_eq!(closed(std::slice::from_ref(&input)), [("filter INPUT".to_owned(), Owner::Unknown)]);
        let port = json!([{"match": {"op": "==", "left": {"payload": {"protocol": "udp", "field": "dport"}},
            "right": {"set": [4789, 7946]}}}, {"accept": null}]);
        assert_eq!(closed(&[input, rule("filter", "INPUT", port)]), []);
    }

    #[test]
    fn what_is_no_ruleset_is_an_error() {
        assert!(closed_chains(b"Error: syntax").is_err());
    }
}
