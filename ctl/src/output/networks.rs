//! The list of networks.

use super::{
    listing::{Listing, Row},
    quote, times,
};
use crate::parse::{filters::Filters, since};
use gotmpl::Value;
use proto::{
    model::Problems,
    wire::{Network, NetworkSpec},
};
use std::collections::HashMap;

/// What a list of networks shows.
pub const LISTING: Listing = Listing {
    fields: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
        ("IPv4", "IPV4"),
        ("IPv6", "IPV6"),
        ("Internal", "INTERNAL"),
        ("Labels", "LABELS"),
        ("CreatedAt", "CREATED AT"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.Scope}}",
    quiet: "{{.ID}}",
};

/// The keys a list of networks can be filtered by.
pub const FILTERS: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];
/// The keys that a removal of unused networks can be limited by.
pub const PRUNE_FILTERS: &[&str] = &["label", "label!", "until"];

/// Values of filters that are words, of which only some match a network of the cluster.
const WORDS: [(&str, &[&str]); 3] = [
    ("dangling", &["true", "false", "1", "0"]),
    ("scope", &["swarm", "global", "local"]),
    ("type", &["custom", "builtin"]),
];

/// Notes values of filters that can't match anything.
pub fn check_filters(filters: &Filters, problems: &mut Problems) {
    for (key, words) in WORDS {
        for word in filters.values(key).iter().filter(|word| !words.contains(&word.as_str())) {
            let message = format!("`{word}` is not one of the choices: use {}", words.join(", "));
            problems.add(format!("--filter {key}"), message);
        }
    }
}

/// Notes what is wrong with the filters of a removal of unused networks; `now_ms` is what "ago" counts from.
pub fn check_prune_filters(filters: &Filters, now_ms: i64, problems: &mut Problems) {
    for time in filters.values("until") {
        problems.take("--filter until", since::parse_ms(time, now_ms));
    }
}

/// The rows of the networks that match, by name.
pub fn rows(mut networks: Vec<Network>, filters: &Filters, shorten: bool) -> Vec<Row> {
    networks.retain(|network| matches(network, filters));
    networks.sort_by(|a, b| name(a).cmp(name(b)));
    networks.iter().map(|network| row(network, shorten)).collect()
}

/// The networks that nobody uses and that match, by name. The ingress network is never among them. With
/// `until` only those that were made before, as long as `now_ms` is the time.
pub fn unused(mut networks: Vec<Network>, filters: &Filters, now_ms: i64) -> Vec<Network> {
    let ingress = |network: &Network| network.spec.as_ref().is_some_and(|spec| spec.ingress);
    let is_old = |network: &Network| {
        let before =
            |time: &String| since::parse_ms(time, now_ms).is_ok_and(|time| network.created_at < time);
        filters.values("until").iter().all(before)
    };
    networks.retain(|network| {
        dangles(network) && !ingress(network) && is_old(network) && matches(network, filters)
    });
    networks.sort_by(|a, b| name(a).cmp(name(b)));
    networks
}

/// A network's name.
pub fn name(network: &Network) -> &str {
    network.spec.as_ref().map_or("", |spec| &spec.name)
}

/// How a network is made.
pub fn driver(spec: &NetworkSpec) -> &str {
    if spec.driver.is_empty() { "overlay" } else { &spec.driver }
}

/// How far a network reaches.
pub fn scope(spec: &NetworkSpec) -> &'static str {
    if driver(spec) == "bridge" { "local" } else { "swarm" }
}

fn dangles(network: &Network) -> bool {
    network.service_ids.is_empty() && network.task_ids.is_empty()
}

fn matches(network: &Network, filters: &Filters) -> bool {
    let spec = network.spec.clone().unwrap_or_default();
    let labels = network.spec.as_ref().map(|spec| &spec.labels);
    // As in docker, a part of the id or the name is enough.
    filters.any("id", |part| network.id.contains(part))
        && filters.any("name", |part| name(network).contains(part))
        && filters.any("driver", |word| word == driver(&spec))
        && filters.any("scope", |word| word == scope(&spec))
        // Those that every node has by itself are in no list of the cluster.
        && filters.any("type", |word| word == "custom")
        && filters.any("dangling", |word| matches!(word, "true" | "1") == dangles(network))
        && filters.labels("label", |key| labels.and_then(|labels| labels.get(key)).map(String::as_str))
        && filters.no_labels("label!", |key| labels.and_then(|labels| labels.get(key)).map(String::as_str))
}

fn row(network: &Network, shorten: bool) -> Row {
    let spec = network.spec.clone().unwrap_or_default();
    Row::from([
        ("ID", Value::from(quote::id(&network.id, shorten))),
        ("Name", Value::from(spec.name.as_str())),
        ("Driver", Value::from(driver(&spec))),
        ("Scope", Value::from(scope(&spec))),
        // Docker has texts in these fields.
        ("IPv4", Value::from("true")),
        ("IPv6", Value::from(spec.ipv6.to_string())),
        ("Internal", Value::from(spec.internal.to_string())),
        ("Labels", Value::from(label_cell(&spec.labels))),
        ("CreatedAt", Value::from(times::go_text(network.created_at))),
    ])
}

fn label_cell(labels: &HashMap<String, String>) -> String {
    let mut pairs: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    pairs.sort();
    pairs.join(",")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{
        fixtures,
        listing::{Format, render},
    };

    fn filters(texts: &[&str]) -> Filters {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        Filters::new(Filters::parse(&texts, FILTERS).into_iter().map(Result::unwrap))
    }

    fn networks() -> Vec<Network> {
        let mut ingress = fixtures::network("ingress");
        ingress.spec.as_mut().unwrap().ingress = true;
        let mut front = fixtures::network("front");
        front.service_ids = vec![fixtures::id("serviceweb")];
        vec![ingress, front, fixtures::network("back")]
    }

    fn listed(texts: &[&str], format: Option<&str>) -> String {
        let rows = rows(networks(), &filters(texts), true);
        render(&LISTING, &Format::choose(&LISTING, format, false), rows).unwrap()
    }

    #[test]
    fn networks_are_listed_as_docker_lists_them() {
        let expected = "\
NETWORK ID     NAME      DRIVER    SCOPE
networkback0   back      overlay   swarm
networkfront   front     overlay   swarm
networkingre   ingress   overlay   swarm
";
        assert_eq!(listed(&[], None), expected);
        let json = "{\"CreatedAt\":\"2023-11-14 21:13:20 +0000 UTC\",\"Driver\":\"overlay\",\"ID\":\"networkback0\",\
                    \"IPv4\":\"true\",\"IPv6\":\"true\",\"Internal\":\"false\",\"Labels\":\"team=a\",\"Name\":\"back\",\
                    \"Scope\":\"swarm\"}\n";
        assert_eq!(listed(&["name=ack"], Some("json")), json);
    }

    #[test]
    fn networks_are_filtered_by_each_key() {
        let names = |texts: &[&str]| listed(texts, Some("{{.Name}}")).replace('\n', " ");
        assert_eq!(names(&["name=fro", "name=gres"]), "front ingress ");
        assert_eq!(names(&["id=kback"]), "back ");
        assert_eq!(names(&["label=team=a", "driver=overlay", "scope=swarm", "type=custom"]).len(), 19);
        for none in ["driver=bridge", "scope=local", "type=builtin", "label=team=b"] {
            assert_eq!(names(&[none]), "", "{none}");
        }
        assert_eq!(names(&["dangling=false"]), "front ");
    }

    #[test]
    fn words_that_no_network_can_have_are_refused_together() {
        let mut problems = Problems::default();
        check_filters(&filters(&["scope=cluster", "type=own", "dangling=maybe"]), &mut problems);
        let fields: Vec<_> = problems.0.iter().map(|problem| problem.field.as_str()).collect();
        assert_eq!(fields, ["--filter dangling", "--filter scope", "--filter type"]);
    }

    #[test]
    fn used_networks_and_the_ingress_network_are_never_unused() {
        let names = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
            let filters = Filters::new(Filters::parse(&texts, PRUNE_FILTERS).into_iter().map(Result::unwrap));
            let mut connected = fixtures::network("connected");
            connected.task_ids = vec![fixtures::id("task1")];
            let found = unused([networks(), vec![connected]].concat(), &filters, fixtures::NOW_MS);
            found.iter().map(name).collect::<Vec<_>>().join(" ")
        };
        assert_eq!(names(&[]), "back");
        assert_eq!([names(&["label=team=b"]), names(&["label!=team=b"])], ["", "back"]);
        assert_eq!(names(&["label!=team"]), "");
        // They were made an hour before.
        assert_eq!([names(&["until=59m"]), names(&["until=61m"])], ["back", ""]);
        assert_eq!(names(&["until=59m", "until=2h"]), "");
    }

    #[test]
    fn a_time_that_is_none_is_refused() {
        let mut problems = Problems::default();
        let until = Filters::new([("until".to_owned(), "yesterday".to_owned())]);
        check_prune_filters(&until, 0, &mut problems);
        assert_eq!(problems.0[0].field, "--filter until");
    }
}
