//! The lists of secrets and of configs.

use super::{
    listing::{Listing, Row},
    times,
};
use crate::parse::filters::Filters;
use gotmpl::Value;
use proto::{model::PayloadKind, wire::Payload};

/// What a list of secrets shows.
const SECRETS: Listing = Listing {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("CreatedAt", "CREATED"),
        ("UpdatedAt", "UPDATED"),
        ("Labels", "LABELS"),
        ("ContentVersion", "CONTENT VERSION"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.Driver}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
    quiet: "{{.ID}}",
};

/// What a list of configs shows.
const CONFIGS: Listing = Listing {
    fields: &[
        ("ID", "ID"),
        ("Name", "NAME"),
        ("CreatedAt", "CREATED"),
        ("UpdatedAt", "UPDATED"),
        ("Labels", "LABELS"),
        ("ContentVersion", "CONTENT VERSION"),
    ],
    table: "{{.ID}}\t{{.Name}}\t{{.CreatedAt}}\t{{.UpdatedAt}}",
    quiet: "{{.ID}}",
};

/// The keys a list of either can be filtered by.
pub const FILTERS: &[&str] = &["id", "label", "name"];

/// What a list of a kind shows.
pub fn listing(kind: PayloadKind) -> &'static Listing {
    match kind {
        PayloadKind::Secret => &SECRETS,
        PayloadKind::Config => &CONFIGS,
    }
}

/// The rows of those that match, by name.
pub fn rows(mut payloads: Vec<Payload>, filters: &Filters, now_ms: i64) -> Vec<Row> {
    payloads.retain(|payload| matches(payload, filters));
    payloads.sort_by(|a, b| name(a).cmp(name(b)));
    payloads.iter().map(|payload| row(payload, now_ms)).collect()
}

/// A secret's or config's name.
pub fn name(payload: &Payload) -> &str {
    payload.spec.as_ref().map_or("", |spec| &spec.name)
}

fn matches(payload: &Payload, filters: &Filters) -> bool {
    let labels = payload.spec.as_ref().map(|spec| &spec.labels);
    // As in docker, the beginning of the id or the name is enough.
    filters.any("id", |part| payload.id.starts_with(part))
        && filters.any("name", |part| name(payload).starts_with(part))
        && filters.labels("label", |key| labels.and_then(|labels| labels.get(key)).map(String::as_str))
}

fn row(payload: &Payload, now_ms: i64) -> Row {
    let spec = payload.spec.clone().unwrap_or_default();
    let mut labels: Vec<String> = spec.labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
    labels.sort();
    Row::from([
        ("ID", Value::from(payload.id.as_str())),
        ("Name", Value::from(spec.name.as_str())),
        ("Driver", Value::from("")),
        ("CreatedAt", Value::from(times::ago(payload.created_at, now_ms))),
        ("UpdatedAt", Value::from(times::ago(payload.updated_at, now_ms))),
        ("Labels", Value::from(labels.join(","))),
        ("ContentVersion", Value::from(payload.edition.to_string())),
    ])
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{
        fixtures,
        listing::{Format, render},
    };

    fn listed(kind: PayloadKind, texts: &[&str], format: Option<&str>) -> String {
        let texts: Vec<String> = texts.iter().map(ToString::to_string).collect();
        let filters = Filters::new(Filters::parse(&texts, FILTERS).into_iter().map(Result::unwrap));
        let payloads = ["site", "key"].map(|name| fixtures::payload(kind, name)).to_vec();
        let listing = listing(kind);
        let rows = rows(payloads, &filters, fixtures::NOW_MS);
        render(listing, &Format::choose(listing, format, false), rows).unwrap()
    }

    #[test]
    fn secrets_and_configs_are_listed_as_docker_lists_them() {
        let expected = "\
ID                          NAME      DRIVER    CREATED             UPDATED
payloadkey000000000000000   key                 About an hour ago   About a minute ago
payloadsite00000000000000   site                About an hour ago   About a minute ago
";
        assert_eq!(listed(PayloadKind::Secret, &[], None), expected);
        let expected = "\
ID                          NAME      CREATED             UPDATED
payloadkey000000000000000   key       About an hour ago   About a minute ago
";
        assert_eq!(listed(PayloadKind::Config, &["name=ke"], None), expected);
    }

    #[test]
    fn they_are_filtered_by_each_key() {
        let names = |texts: &[&str]| {
            listed(PayloadKind::Secret, texts, Some("{{.Name}}:{{.ContentVersion}}")).replace('\n', " ")
        };
        assert_eq!(names(&["id=payloads"]), "site:2 ");
        assert_eq!(names(&["label=team=a"]), "key:2 site:2 ");
        assert_eq!(names(&["label=team=b"]), "");
        assert_eq!(names(&["name=ey"]), "");
    }
}
