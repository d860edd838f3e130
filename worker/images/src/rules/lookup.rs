//! What a person means by a name, an id or the beginning of one.

use super::digest::{Digest, ImageId};
use super::index::Index;
use super::reference::Reference;

/// Is what a query means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    /// A name, in its stored form, and the image it means.
    Name(Reference, ImageId),
    /// An image by its id or an unambiguous beginning of it.
    Id(ImageId),
}

impl Target {
    pub(crate) fn id(&self) -> ImageId {
        match self {
            Target::Name(_, id) | Target::Id(id) => *id,
        }
    }
}

/// Lists the ids that begin with what was asked for, when there is more than one.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Ambiguous(pub Vec<ImageId>);

/// Finds an image by full id, then by name, then by the beginning of its id, in Docker's order.
pub(crate) fn find(index: &Index, query: &str) -> Result<Option<Target>, Ambiguous> {
    let digits = query.strip_prefix("sha256:").unwrap_or(query);
    if let Some(digest) = Digest::from_hex(digits) {
        let id = ImageId(digest);
        return Ok(index.image(id).map(|_| Target::Id(id)));
    }
    if let Ok(reference) = query.parse::<Reference>() {
        let name = reference.stored();
        if let Some((_, record)) = index.named(&name) {
            return Ok(Some(Target::Name(name, record.id)));
        }
    }
    if digits.is_empty() {
        return Ok(None);
    }
    let begins = |id: &ImageId| id.0.hex().starts_with(digits);
    let matches: Vec<ImageId> = index.ids().into_iter().filter(begins).collect();
    match matches.as_slice() {
        [] => Ok(None),
        [id] => Ok(Some(Target::Id(*id))),
        _ => Err(Ambiguous(matches)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::index::Record;

    /// Two images whose ids both begin with `1`, and one that is named like the beginning of an id.
    fn sample() -> (Index, [ImageId; 3]) {
        let ids = ["12", "13", "ca"].map(|head| {
            let hex = format!("{head}{}", "0".repeat(62));
            ImageId(Digest::from_hex(&hex).unwrap())
        });
        let mut index = Index::default();
        for (id, name) in ids.iter().zip(["app:1", "ca", "other"]) {
            let manifest = Digest::of(name.as_bytes());
            index.add(manifest, Record { id: *id, layers: vec![] }, &[name.parse().unwrap()]);
        }
        (index, ids)
    }

    #[test]
    fn an_image_is_found_by_id_prefix_and_name() {
        let (index, [one, two, three]) = sample();
        for query in [one.to_string(), one.0.hex(), "12".to_owned(), "sha256:120".to_owned()] {
            assert_eq!(find(&index, &query), Ok(Some(Target::Id(one))), "{query}");
        }
        let named = find(&index, "docker.io/library/app:1").unwrap().unwrap();
        assert_eq!(named.id(), one);
        assert_eq!(find(&index, "ca").unwrap().unwrap().id(), two, "a name comes before an id's beginning");
        assert_eq!(find(&index, "ca0").unwrap().unwrap().id(), three);
        assert_eq!(find(&index, "sha256:"), Ok(None));
        assert_eq!(find(&index, "none"), Ok(None));
    }

    #[test]
    fn the_beginning_of_two_ids_is_ambiguous() {
        let (index, [one, two, _]) = sample();
        assert_eq!(find(&index, "1"), Err(Ambiguous(vec![one, two])));
    }
}
