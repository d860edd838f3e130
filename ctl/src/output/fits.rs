//! The list of nodes that says which can have another task of a service.

use super::{
    listing::{Listing, Row},
    quote,
};
use crate::parse::filters::Filters;
use gotmpl::Value;
use proto::{model::Problems, wire::NodeFit};

/// What it shows.
pub const LISTING: Listing = Listing {
    fields: &[
        ("ID", "ID"),
        ("Node", "NODE"),
        ("Fits", "FITS"),
        ("ServiceTasks", "ITS TASKS"),
        ("Tasks", "TASKS"),
        ("Reason", "REASON"),
    ],
    table: "{{.Node}}\t{{.Fits}}\t{{.ServiceTasks}}\t{{.Tasks}}\t{{.Reason}}",
    quiet: "{{.ID}}",
};

/// The keys it can be filtered by.
pub const FILTERS: &[&str] = &["fits", "node"];

/// Notes values of filters that can't match anything.
pub fn check_filters(filters: &Filters, problems: &mut Problems) {
    for word in filters.values("fits").iter().filter(|word| !["true", "false"].contains(&word.as_str())) {
        problems.add("--filter fits", format!("`{word}` is neither true nor false"));
    }
}

/// The rows of the nodes that match, by name.
pub fn rows(mut nodes: Vec<NodeFit>, filters: &Filters) -> Vec<Row> {
    nodes.retain(|fit| {
        filters.any("fits", |wanted| wanted == fit.reasons.is_empty().to_string())
            && filters.any("node", |wanted| fit.hostname == wanted || fit.node_id.starts_with(wanted))
    });
    nodes.sort_by(|a, b| (&a.hostname, &a.node_id).cmp(&(&b.hostname, &b.node_id)));
    nodes.iter().map(row).collect()
}

fn row(fit: &NodeFit) -> Row {
    let name = if fit.hostname.is_empty() { &fit.node_id } else { &fit.hostname };
    let mut reasons = fit.reasons.clone();
    if fit.avoided {
        reasons.push("avoided, as tasks like it failed there".to_owned());
    }
    if fit.next {
        reasons.push("gets the next task".to_owned());
    }
    Row::from([
        ("ID", Value::from(quote::id(&fit.node_id, true))),
        ("Node", Value::from(name.as_str())),
        ("Fits", Value::from(if fit.reasons.is_empty() { "yes" } else { "no" })),
        ("ServiceTasks", Value::from(fit.tasks_of_service.to_string())),
        ("Tasks", Value::from(fit.tasks.to_string())),
        ("Reason", Value::from(reasons.join("; "))),
    ])
}
