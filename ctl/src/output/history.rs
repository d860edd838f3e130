//! The list of the specs that a service had.

use super::{
    listing::{Listing, Row},
    services, states, times,
};
use crate::parse::filters::Filters;
use gotmpl::Value;
use proto::wire::ServiceRevision;

/// What a history shows.
pub const LISTING: Listing = Listing {
    fields: &[
        ("Revision", "REVISION"),
        ("CreatedAt", "CREATED AT"),
        ("Created", "CREATED"),
        ("State", "STATE"),
        ("Image", "IMAGE"),
        ("Message", "MESSAGE"),
    ],
    table: "{{.Revision}}\t{{.Created}}\t{{.State}}\t{{.Image}}\t{{.Message}}",
    quiet: "{{.Revision}}",
};

/// The keys a history can be filtered by.
pub const FILTERS: &[&str] = &["revision"];

/// The rows, the present spec first.
pub fn rows(revisions: &[ServiceRevision], filters: &Filters, now_ms: i64) -> Vec<Row> {
    let matches =
        |revision: &&ServiceRevision| filters.any("revision", |wanted| wanted == revision.number.to_string());
    revisions.iter().filter(matches).map(|revision| row(revision, now_ms)).collect()
}

fn row(revision: &ServiceRevision, now_ms: i64) -> Row {
    let rollout = revision.rollout.clone().unwrap_or_default();
    let task = revision.spec.clone().unwrap_or_default().task.unwrap_or_default();
    let image = task.container.unwrap_or_default().image;
    let origin = match revision.restores {
        0 => None,
        restored => Some(format!("revision {restored} again")),
    };
    let told = Some(rollout.message.clone()).filter(|message| !message.is_empty());
    let message: Vec<_> = [origin, told].into_iter().flatten().collect();
    Row::from([
        ("Revision", Value::from(revision.number.to_string())),
        ("CreatedAt", Value::from(times::rfc3339(revision.since))),
        ("Created", Value::from(times::ago(revision.since, now_ms))),
        ("State", Value::from(states::rollout(rollout.state()))),
        ("Image", Value::from(services::image_word(&image))),
        ("Message", Value::from(message.join("; "))),
    ])
}
