//! Which images an archive holds: the two formats that tools save, and how they name images.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

use super::document::Descriptor;
use super::platform::{self, Platform, PlatformError};
use super::reference::{Reference, ReferenceError};

/// The full name, as containerd and Docker write it.
const CONTAINERD_NAME: &str = "io.containerd.image.name";
/// A full name, or only a tag, as the standard leaves open.
const OCI_NAME: &str = "org.opencontainers.image.ref.name";

/// Reports a name in an archive that is no reference.
#[derive(Debug, thiserror::Error)]
#[error("the archive names an image `{name}`")]
pub struct NameError {
    pub name: String,
    #[source]
    pub source: ReferenceError,
}

/// Is one image of an OCI layout: its name, if it has one, and its variants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Listed {
    pub name: Option<Reference>,
    pub variants: Vec<Descriptor>,
}

/// Sorts the entries of a layout's `index.json` into images.
///
/// Entries of one name are variants of one image. Entries without a name are variants of one image if they
/// state platforms, else images of their own.
pub(crate) fn images(entries: Vec<Descriptor>) -> Result<Vec<Listed>, NameError> {
    let mut named: BTreeMap<Reference, Vec<Descriptor>> = BTreeMap::new();
    let mut variants = Vec::new();
    let mut alone = Vec::new();
    for entry in entries {
        match (name_of(&entry)?, &entry.platform) {
            (Some(name), _) => named.entry(name).or_default().push(entry),
            (None, Some(_)) => variants.push(entry),
            (None, None) => alone.push(Listed { name: None, variants: vec![entry] }),
        }
    }
    let mut images: Vec<Listed> =
        named.into_iter().map(|(name, variants)| Listed { name: Some(name), variants }).collect();
    if !variants.is_empty() {
        images.push(Listed { name: None, variants });
    }
    images.append(&mut alone);
    Ok(images)
}

/// Returns the name that an entry's annotations give; a bare tag names no repository, so it is none.
fn name_of(entry: &Descriptor) -> Result<Option<Reference>, NameError> {
    let oci = || entry.annotation(OCI_NAME).filter(|name| name.contains(['/', ':', '@']));
    entry.annotation(CONTAINERD_NAME).or_else(oci).map(reference).transpose()
}

fn reference(name: &str) -> Result<Reference, NameError> {
    name.parse().map_err(|source| NameError { name: name.to_owned(), source })
}

/// Picks the variant for this node; a single one that states no platform is taken and checked by its config.
pub(crate) fn pick(
    node: &Platform,
    image: &str,
    mut variants: Vec<Descriptor>,
) -> Result<Descriptor, PlatformError> {
    if variants.len() == 1 && variants[0].platform.is_none() {
        return Ok(variants.remove(0));
    }
    let offers = variants.into_iter().filter_map(|entry| Some((entry.platform.clone()?, entry)));
    platform::choose(node, image, offers)
}

/// Is one image of a docker-archive: the archive's own paths of its parts, the lowest layer first.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct DockerEntry {
    pub config: String,
    #[serde(default, deserialize_with = "names_or_null")]
    pub repo_tags: Vec<String>,
    pub layers: Vec<String>,
}

impl DockerEntry {
    pub(crate) fn names(&self) -> Result<Vec<Reference>, NameError> {
        self.repo_tags.iter().map(|name| reference(name)).collect()
    }
}

fn names_or_null<'de, D: Deserializer<'de>>(input: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::deserialize(input)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::rules::digest::Digest;

    fn entry(content: &str, annotation: Option<(&str, &str)>, platform: Option<&str>) -> Descriptor {
        let annotations = annotation.map(|(key, value)| BTreeMap::from([(key.to_owned(), value.to_owned())]));
        let platform = platform.map(|architecture| Platform {
            os: "linux".to_owned(),
            architecture: architecture.to_owned(),
            variant: None,
        });
        let digest = Digest::of(content.as_bytes());
        Descriptor { media_type: String::new(), digest, size: 1, annotations, platform }
    }

    #[test]
    fn entries_are_sorted_into_images_by_name() {
        let one_amd = entry("1", Some((CONTAINERD_NAME, "docker.io/library/one:1")), Some("amd64"));
        let one_arm = entry("2", Some((OCI_NAME, "one:1")), Some("arm64"));
        let two = entry("3", Some((OCI_NAME, "x.io/two")), None);
        let tag_only = entry("4", Some((OCI_NAME, "latest")), None);
        let images = images(vec![one_amd.clone(), two.clone(), tag_only.clone(), one_arm.clone()]).unwrap();
        let expected = [
            Listed { name: Some("one:1".parse().unwrap()), variants: vec![one_amd, one_arm] },
            Listed { name: Some("x.io/two".parse().unwrap()), variants: vec![two] },
            Listed { name: None, variants: vec![tag_only] },
        ];
        assert_eq!(images, expected);
    }

    #[test]
    fn nameless_entries_with_platforms_are_variants_of_one_image() {
        let entries = vec![entry("1", None, Some("amd64")), entry("2", None, Some("arm64"))];
        let found = images(entries.clone()).unwrap();
        assert_eq!(found, [Listed { name: None, variants: entries }]);
    }

    #[test]
    fn a_name_that_is_no_reference_is_refused() {
        let wrong = entry("1", Some((OCI_NAME, "Not/A:Name!")), None);
        assert_eq!(images(vec![wrong]).unwrap_err().name, "Not/A:Name!");
    }
}
