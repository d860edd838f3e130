//! The list of nodes.

use super::{
    listing::{Listing, Row},
    quote, states,
};
use crate::parse::{choice, filters::Filters};
use gotmpl::Value;
use proto::{
    model::Problems,
    wire::{ManagerStatus, Node},
};

/// What a list of nodes shows.
pub const LISTING: Listing = Listing {
    fields: &[
        ("ID", "ID"),
        // No word: the mark stands beside the id.
        ("Self", ""),
        ("Hostname", "HOSTNAME"),
        ("Status", "STATUS"),
        ("Availability", "AVAILABILITY"),
        ("ManagerStatus", "MANAGER STATUS"),
        ("EngineVersion", "ENGINE VERSION"),
    ],
    table: "{{.ID}} {{if .Self}}*{{else}} {{end}}\t{{.Hostname}}\t{{.Status}}\t{{.Availability}}\t{{.ManagerStatus}}\t{{.EngineVersion}}",
    quiet: "{{.ID}}",
};

/// The keys a list of nodes can be filtered by.
pub const FILTERS: &[&str] = &["id", "label", "membership", "name", "node.label", "role"];

/// Notes values of filters that can't match anything.
pub fn check_filters(filters: &Filters, problems: &mut Problems) {
    problems.take_all("--filter role", filters.values("role").iter().map(|word| choice::role(word)));
    for word in filters.values("membership") {
        if !["accepted", "pending"].contains(&word.as_str()) {
            problems
                .add("--filter membership", format!("`{word}` is not a membership: use accepted, pending"));
        }
    }
}

/// The rows of the nodes that match, by host name; `me` is the node that was asked.
pub fn rows(mut nodes: Vec<Node>, me: &str, filters: &Filters) -> Vec<Row> {
    nodes.retain(|node| matches(node, filters));
    nodes.sort_by(|a, b| (hostname(a), &a.id).cmp(&(hostname(b), &b.id)));
    nodes.iter().map(|node| row(node, me)).collect()
}

/// What a node calls itself; its id until it has told.
pub fn hostname(node: &Node) -> &str {
    node.description.as_ref().map_or(&node.id, |description| &description.hostname)
}

fn matches(node: &Node, filters: &Filters) -> bool {
    let role = states::role(node.spec.as_ref().map(|spec| spec.role()).unwrap_or_default());
    let engine = node.description.as_ref().map(|description| &description.engine_labels);
    let labels = node.spec.as_ref().map(|spec| &spec.labels);
    filters.any("id", |id| node.id.starts_with(id))
        && filters.any("name", |wanted| hostname(node).starts_with(wanted))
        && filters.any("role", |wanted| role == wanted)
        // A token lets a node in at once, so none is ever waiting to be accepted.
        && filters.any("membership", |wanted| wanted == "accepted")
        && filters.labels("label", |key| engine.and_then(|labels| labels.get(key)).map(String::as_str))
        && filters.labels("node.label", |key| labels.and_then(|labels| labels.get(key)).map(String::as_str))
}

/// Whether the leader reaches a manager, in the words of docker's API.
pub fn reachability(manager: &ManagerStatus) -> &'static str {
    // A leader reaches itself, whatever it filled in.
    if manager.reachable || manager.leader { "reachable" } else { "unreachable" }
}

/// A manager's place in docker's words; empty for a worker.
pub fn manager_word(manager: Option<&ManagerStatus>) -> &'static str {
    match manager {
        None => "",
        Some(status) if status.leader => "Leader",
        Some(status) if status.reachable => "Reachable",
        Some(_) => "Unreachable",
    }
}

fn row(node: &Node, me: &str) -> Row {
    let spec = node.spec.clone().unwrap_or_default();
    let state = states::node(node.status.as_ref().map(|status| status.state()).unwrap_or_default());
    let version = node.description.as_ref().map_or("", |description| &description.version);
    Row::from([
        ("ID", Value::from(node.id.as_str())),
        ("Self", Value::Bool(node.id == me)),
        ("Hostname", Value::from(hostname(node))),
        ("Status", Value::from(quote::capitalised(state))),
        ("Availability", Value::from(quote::capitalised(states::availability(spec.availability())))),
        ("ManagerStatus", Value::from(manager_word(node.manager.as_ref()))),
        ("EngineVersion", Value::from(version)),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{
        fixtures,
        listing::{Format, render},
    };

    fn listed(filters: &[&str], format: Option<&str>) -> String {
        let texts: Vec<String> = filters.iter().map(ToString::to_string).collect();
        let filters = Filters::new(Filters::parse(&texts, FILTERS).into_iter().map(Result::unwrap));
        let nodes = vec![fixtures::node(2), fixtures::node(1)];
        render(
            &LISTING,
            &Format::choose(&LISTING, format, false),
            rows(nodes, &fixtures::id("node1"), &filters),
        )
        .unwrap()
    }

    #[test]
    fn nodes_are_listed_as_docker_lists_them() {
        let expected = "\
ID                            HOSTNAME   STATUS    AVAILABILITY   MANAGER STATUS   ENGINE VERSION
node100000000000000000000 *   host-1     Ready     Active         Leader           0.1.0
node200000000000000000000     host-2     Ready     Active                          0.1.0
";
        assert_eq!(listed(&[], None), expected);
        assert!(
            listed(&[], Some("json")).starts_with(r#"{"Availability":"Active","EngineVersion":"0.1.0","#)
        );
    }

    #[test]
    fn nodes_are_filtered_by_role_name_and_labels() {
        let names = |filters: &[&str]| listed(filters, Some("{{.Hostname}}")).replace('\n', " ");
        assert_eq!(names(&["role=worker"]), "host-2 ");
        assert_eq!(names(&["node.label=disk=ssd"]), "host-1 ");
        assert_eq!(names(&["label=zone=a", "name=host"]), "host-1 host-2 ");
        assert_eq!(names(&["membership=pending"]), "");
    }

    #[test]
    fn an_unreachable_manager_is_marked() {
        let manager = ManagerStatus { leader: false, reachable: false, ..Default::default() };
        assert_eq!(manager_word(Some(&manager)), "Unreachable");
    }
}
