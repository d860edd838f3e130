//! The list of images, and what is printed about one.

use super::{
    listing::{Listing, Row},
    quote, sizes, times,
};
use crate::parse::filters::Filters;
use gotmpl::Value;
use proto::{
    model::Problems,
    wire::{ImageSummary, InspectImageResponse},
};
use serde::Serialize;

/// What a list of images shows.
pub const LISTING: Listing = Listing {
    fields: &[
        ("Repository", "REPOSITORY"),
        ("Tag", "TAG"),
        ("Digest", "DIGEST"),
        ("ID", "IMAGE ID"),
        ("CreatedSince", "CREATED"),
        ("CreatedAt", "CREATED AT"),
        ("Size", "SIZE"),
    ],
    table: "{{.Repository}}\t{{.Tag}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}",
    quiet: "{{.ID}}",
};

/// The table of `--digests`.
pub const DIGESTS_TABLE: &str =
    "table {{.Repository}}\t{{.Tag}}\t{{.Digest}}\t{{.ID}}\t{{.CreatedSince}}\t{{.Size}}";

/// The keys a list of images can be filtered by.
pub const FILTERS: &[&str] = &["dangling", "reference"];
const NONE: &str = "<none>";

/// Notes values of filters that can't match anything.
pub fn check_filters(filters: &Filters, problems: &mut Problems) {
    for word in filters.values("dangling") {
        if !["true", "false", "1", "0"].contains(&word.as_str()) {
            problems.add("--filter dangling", format!("`{word}` is neither true nor false"));
        }
    }
}

/// A name without what docker leaves out: its own registry and library.
pub fn familiar(reference: &str) -> &str {
    let name = reference.strip_prefix("docker.io/").unwrap_or(reference);
    name.strip_prefix("library/").unwrap_or(name)
}

/// Repository and tag of a name that has no digest.
fn split_tag(reference: &str) -> (&str, &str) {
    match reference.rsplit_once(':') {
        Some((repository, tag)) if !tag.contains('/') => (repository, tag),
        _ => (reference, NONE),
    }
}

/// The rows of the images that match, a row for each name, the newest image first.
pub fn rows(mut images: Vec<ImageSummary>, filters: &Filters, shorten: bool, now_ms: i64) -> Vec<Row> {
    images.sort_by_key(|image| (std::cmp::Reverse(image.created_at), image.id.clone()));
    images
        .iter()
        .flat_map(|image| names(image, filters).into_iter().map(|name| row(image, name, shorten, now_ms)))
        .collect()
}

/// The names of an image that match; an empty one for an image without names.
fn names<'a>(image: &'a ImageSummary, filters: &Filters) -> Vec<&'a str> {
    let dangling = image.references.is_empty();
    if !filters.any("dangling", |word| matches!(word, "true" | "1") == dangling) {
        return Vec::new();
    }
    let mut names: Vec<&str> = image.references.iter().map(|reference| familiar(reference)).collect();
    if dangling {
        names.push("");
    }
    names.retain(|name| filters.any("reference", |pattern| name_matches(name, pattern)));
    names
}

/// Whether a name is the one wanted, with any tag if none is given; `*` stands for anything but `/`.
fn name_matches(name: &str, pattern: &str) -> bool {
    let pattern = familiar(pattern);
    let (repository, _) = split_tag(name);
    glob(name.as_bytes(), pattern.as_bytes()) || glob(repository.as_bytes(), pattern.as_bytes())
}

fn glob(text: &[u8], pattern: &[u8]) -> bool {
    match (pattern.split_first(), text.split_first()) {
        (None, None) => true,
        (Some((b'*', rest)), _) if glob(text, rest) => true,
        (Some((b'*', _)), Some((c, text))) if *c != b'/' => glob(text, pattern),
        (Some((p, pattern)), Some((c, text))) if p == c || *p == b'?' => glob(text, pattern),
        _ => false,
    }
}

fn row(image: &ImageSummary, name: &str, shorten: bool, now_ms: i64) -> Row {
    let (repository, tag) = if name.is_empty() { (NONE, NONE) } else { split_tag(name) };
    let of_repository =
        |digest: &&String| digest.split_once('@').is_some_and(|(name, _)| familiar(name) == repository);
    let digest = image
        .digests
        .iter()
        .find(of_repository)
        .and_then(|text| text.split_once('@'))
        .map_or(NONE, |(_, digest)| digest);
    Row::from([
        ("Repository", Value::from(repository)),
        ("Tag", Value::from(tag)),
        ("Digest", Value::from(digest)),
        ("ID", Value::from(quote::id(&image.id, shorten))),
        ("CreatedSince", Value::from(times::ago(image.created_at, now_ms))),
        ("CreatedAt", Value::from(times::go_text(image.created_at))),
        ("Size", Value::from(sizes::decimal(image.size_bytes))),
    ])
}

/// One image as docker's API describes it.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Inspected {
    id: String,
    repo_tags: Vec<String>,
    repo_digests: Vec<String>,
    created: String,
    config: serde_json::Value,
    architecture: String,
    os: String,
    size: u64,
    #[serde(rename = "RootFS")]
    root_fs: RootFs,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
struct RootFs {
    r#type: &'static str,
    layers: Vec<String>,
}

/// Turns an answer into docker's shape.
pub fn inspected(image: InspectImageResponse) -> Result<Inspected, serde_json::Error> {
    let summary = image.summary.unwrap_or_default();
    let whole: serde_json::Value = serde_json::from_str(&image.config_json)?;
    Ok(Inspected {
        id: summary.id,
        repo_tags: summary.references.iter().map(|name| familiar(name).to_owned()).collect(),
        repo_digests: summary.digests.iter().map(|name| familiar(name).to_owned()).collect(),
        created: times::rfc3339(summary.created_at),
        config: whole.get("config").cloned().unwrap_or(serde_json::Value::Null),
        architecture: image.arch,
        os: image.os,
        size: summary.size_bytes,
        root_fs: RootFs { r#type: "layers", layers: image.layer_digests },
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::{
        fixtures::NOW_MS,
        json,
        listing::{Format, render},
    };

    fn images() -> Vec<ImageSummary> {
        let image = |id: &str, references: &[&str], age_ms: i64| ImageSummary {
            id: format!("sha256:{id:0<64}"),
            references: references.iter().map(ToString::to_string).collect(),
            digests: vec!["docker.io/library/nginx@sha256:abc".into()],
            created_at: NOW_MS - age_ms,
            size_bytes: 142_300_000,
        };
        vec![
            image("beef", &[], 90 * 86_400_000),
            image("cafe", &["docker.io/library/nginx:1.27", "registry:5000/team/web:v1"], 3_600_000),
        ]
    }

    fn listed(filters: &[(&str, &str)], format: Option<&str>) -> String {
        let filters = Filters::new(filters.iter().map(|(key, value)| (key.to_string(), value.to_string())));
        render(&LISTING, &Format::choose(&LISTING, format, false), rows(images(), &filters, true, NOW_MS))
            .unwrap()
    }

    #[test]
    fn images_are_listed_a_row_a_name() {
        let expected = "\
REPOSITORY               TAG       IMAGE ID       CREATED             SIZE
nginx                    1.27      cafe00000000   About an hour ago   142MB
registry:5000/team/web   v1        cafe00000000   About an hour ago   142MB
<none>                   <none>    beef00000000   3 months ago        142MB
";
        assert_eq!(listed(&[], None), expected);
        assert!(
            listed(&[], Some(DIGESTS_TABLE)).contains("nginx                    1.27      sha256:abc   cafe")
        );
    }

    #[test]
    fn images_are_filtered_by_name() {
        let names =
            |filters: &[(&str, &str)]| listed(filters, Some("{{.Repository}}:{{.Tag}}")).replace('\n', " ");
        assert_eq!(names(&[("reference", "nginx")]), "nginx:1.27 ");
        assert_eq!(names(&[("reference", "registry:5000/*/web:v?")]), "registry:5000/team/web:v1 ");
        assert_eq!(names(&[("reference", "docker.io/library/nginx:1.26")]), "");
        assert_eq!(names(&[("dangling", "true")]), "<none>:<none> ");
    }

    #[test]
    fn an_image_is_described_as_docker_describes_it() {
        let answer = InspectImageResponse {
            summary: Some(images()[1].clone()),
            os: "linux".into(),
            arch: "amd64".into(),
            config_json: r#"{"config":{"Cmd":["nginx"]},"history":[]}"#.into(),
            layer_digests: vec!["sha256:l1".into()],
        };
        let value = json::template_value(&inspected(answer).unwrap()).unwrap();
        assert_eq!(
            json::compact(&value),
            format!(
                "{{\"Architecture\":\"amd64\",\"Config\":{{\"Cmd\":[\"nginx\"]}},\"Created\":\"2023-11-14T21:13:20Z\",\
                 \"Id\":\"sha256:{:0<64}\",\"Os\":\"linux\",\"RepoDigests\":[\"nginx@sha256:abc\"],\
                 \"RepoTags\":[\"nginx:1.27\",\"registry:5000/team/web:v1\"],\
                 \"RootFS\":{{\"Layers\":[\"sha256:l1\"],\"Type\":\"layers\"}},\"Size\":142300000}}",
                "cafe"
            )
        );
    }
}
