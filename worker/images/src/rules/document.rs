//! Manifests and indexes: the JSON documents that say what an image consists of.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::digest::Digest;
use super::platform::Platform;

/// The most that a manifest, an index or a config may hold, in bytes: what registries accept as well.
pub(crate) const MAX_DOCUMENT: u64 = 4 << 20;
/// The kernel stacks no more lower directories than this in one overlayfs mount.
const MAX_LAYERS: usize = 500;
/// How deep indexes may be nested; real ones are two deep.
pub(crate) const MAX_NESTING: usize = 4;

const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
pub(crate) const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// Every document that a registry may be asked for.
pub(crate) const ACCEPTED: [&str; 4] = [OCI_INDEX, DOCKER_INDEX, OCI_MANIFEST, DOCKER_MANIFEST];
/// How the media types of layers begin; what follows names the compression, which is found by its magic.
const LAYER_TYPES: [&str; 4] = [
    "application/vnd.oci.image.layer.v1.tar",
    "application/vnd.oci.image.layer.nondistributable.v1.tar",
    "application/vnd.docker.image.rootfs.diff.tar",
    "application/vnd.docker.image.rootfs.foreign.diff.tar",
];

/// Says why a manifest or index cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DocumentError {
    /// Not JSON, or not of the expected shape.
    #[error("the manifest cannot be read")]
    Json(#[source] serde_json::Error),
    /// A format that has not been written by any tool for years.
    #[error(
        "the manifest has schema version {found}, only 2 is supported: push the image again with a current tool"
    )]
    Schema {
        /// The version in the document.
        found: u64,
    },
    /// Neither a manifest nor an index, or both at once.
    #[error("the document of type `{media_type}` is not an image manifest or index")]
    Kind {
        /// The type the document states, empty if none.
        media_type: String,
    },
    /// Something else that registries store, such as a chart or a signature.
    #[error("the manifest describes `{media_type}`, which is not a container image")]
    NotAnImage {
        /// The type of its config.
        media_type: String,
    },
    /// A layer of a kind that cannot be unpacked.
    #[error("layer {layer} has type `{media_type}`, which cannot be unpacked")]
    LayerType {
        /// The layer's digest.
        layer: Digest,
        /// Its media type.
        media_type: String,
    },
    /// More layers than can be mounted.
    #[error("the image has {found} layers, at most {MAX_LAYERS} can be mounted: flatten it")]
    TooManyLayers {
        /// How many there are.
        found: usize,
    },
    /// Manifest and config disagree.
    #[error("the manifest lists {manifest} layers, but its config {config}: the image is malformed")]
    LayerCount {
        /// Layers in the manifest.
        manifest: usize,
        /// Diff ids in the config.
        config: usize,
    },
    /// An index of indexes of indexes.
    #[error("its indexes are nested more than {MAX_NESTING} deep: the image is malformed")]
    Nested,
    /// A document larger than any real one.
    #[error("{what} has {size} bytes, at most {MAX_DOCUMENT} are accepted")]
    TooLarge {
        /// The document, in words.
        what: String,
        /// Its size in bytes.
        size: u64,
    },
}

/// Points at content: what it is, its digest and its size.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Descriptor {
    #[serde(default)]
    pub media_type: String,
    pub digest: Digest,
    /// In bytes.
    pub size: u64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub annotations: Option<BTreeMap<String, String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    pub(crate) fn annotation(&self, key: &str) -> Option<&str> {
        self.annotations.as_ref()?.get(key).map(String::as_str)
    }
}

/// Lists the config and the layers of one image for one platform, the lowest layer first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Manifest {
    schema_version: u64,
    #[serde(default)]
    media_type: String,
    pub config: Descriptor,
    pub layers: Vec<Descriptor>,
}

impl Manifest {
    /// Describes content that came without a manifest, as in a docker-archive.
    pub(crate) fn describe(config: (Digest, u64), layers: impl IntoIterator<Item = (Digest, u64)>) -> Self {
        let descriptor = |media_type: &str, (digest, size)| Descriptor {
            media_type: media_type.to_owned(),
            digest,
            size,
            annotations: None,
            platform: None,
        };
        Self {
            schema_version: 2,
            media_type: OCI_MANIFEST.to_owned(),
            config: descriptor(OCI_CONFIG, config),
            layers: layers.into_iter().map(|layer| descriptor(LAYER_TYPES[0], layer)).collect(),
        }
    }

    fn checked(self) -> Result<Self, DocumentError> {
        if ![OCI_CONFIG, DOCKER_CONFIG].contains(&self.config.media_type.as_str()) {
            return Err(DocumentError::NotAnImage { media_type: self.config.media_type });
        }
        if self.layers.len() > MAX_LAYERS {
            return Err(DocumentError::TooManyLayers { found: self.layers.len() });
        }
        for layer in &self.layers {
            let suffix = LAYER_TYPES.iter().find_map(|known| layer.media_type.strip_prefix(known));
            if !matches!(suffix, Some("" | ".gzip" | "+gzip" | ".zstd" | "+zstd")) {
                let media_type = layer.media_type.clone();
                return Err(DocumentError::LayerType { layer: layer.digest, media_type });
            }
        }
        Ok(self)
    }
}

/// Is either the manifest of an image, or the index of its variants.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Document {
    Manifest(Box<Manifest>),
    Index(Vec<Descriptor>),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Outline {
    #[serde(default)]
    schema_version: u64,
    #[serde(default)]
    media_type: String,
    config: Option<serde::de::IgnoredAny>,
    layers: Option<serde::de::IgnoredAny>,
    manifests: Option<Vec<Descriptor>>,
}

/// Reads a manifest or an index and checks that it is of a supported kind.
pub(crate) fn parse(bytes: &[u8]) -> Result<Document, DocumentError> {
    let outline: Outline = serde_json::from_slice(bytes).map_err(DocumentError::Json)?;
    if outline.schema_version != 2 {
        return Err(DocumentError::Schema { found: outline.schema_version });
    }
    let is_manifest = outline.config.is_some() && outline.layers.is_some();
    match (outline.media_type.as_str(), outline.manifests) {
        // A document that could be read as both is how one digest is made to mean two images (CVE-2021-41190).
        (OCI_INDEX | DOCKER_INDEX | "", Some(manifests)) if !is_manifest => Ok(Document::Index(manifests)),
        (OCI_MANIFEST | DOCKER_MANIFEST | "", None) if is_manifest => {
            let manifest: Manifest = serde_json::from_slice(bytes).map_err(DocumentError::Json)?;
            Ok(Document::Manifest(Box::new(manifest.checked()?)))
        }
        _ => Err(DocumentError::Kind { media_type: outline.media_type }),
    }
}

/// Refuses a document that is larger than any real one.
pub(crate) fn check_size(what: &str, size: u64) -> Result<(), DocumentError> {
    if size <= MAX_DOCUMENT {
        return Ok(());
    }
    Err(DocumentError::TooLarge { what: what.to_owned(), size })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(media_type: &str) -> serde_json::Value {
        serde_json::json!({ "mediaType": media_type, "digest": Digest::of(b"x"), "size": 1 })
    }

    fn parse_json(value: &serde_json::Value) -> Result<Document, DocumentError> {
        parse(value.to_string().as_bytes())
    }

    #[test]
    fn a_described_manifest_reads_back_as_one() {
        let manifest = Manifest::describe((Digest::of(b"c"), 1), [(Digest::of(b"l"), 2)]);
        let bytes = serde_json::to_vec(&manifest).unwrap();
        assert_eq!(parse(&bytes).unwrap(), Document::Manifest(Box::new(manifest)));
    }

    #[test]
    fn a_document_that_could_be_read_two_ways_is_refused() {
        let both = serde_json::json!({
            "schemaVersion": 2, "config": descriptor(OCI_CONFIG), "layers": [], "manifests": [],
        });
        assert!(matches!(parse_json(&both), Err(DocumentError::Kind { .. })));
        let mislabelled =
            serde_json::json!({ "schemaVersion": 2, "mediaType": OCI_MANIFEST, "manifests": [] });
        assert!(matches!(parse_json(&mislabelled), Err(DocumentError::Kind { .. })));
    }

    #[test]
    fn what_is_no_image_is_refused_by_name() {
        let of = |config: &str, layer: &str| {
            serde_json::json!({
                "schemaVersion": 2, "config": descriptor(config), "layers": [descriptor(layer)],
            })
        };
        let chart = "application/vnd.cncf.helm.config.v1+json";
        let found = parse_json(&of(chart, LAYER_TYPES[0])).unwrap_err();
        assert!(matches!(found, DocumentError::NotAnImage { media_type } if media_type == chart));
        let sealed = format!("{}+gzip+encrypted", LAYER_TYPES[0]);
        let found = parse_json(&of(OCI_CONFIG, &sealed)).unwrap_err();
        assert!(matches!(found, DocumentError::LayerType { media_type, .. } if media_type == sealed));
        let old = serde_json::json!({ "schemaVersion": 1 });
        assert!(matches!(parse_json(&old), Err(DocumentError::Schema { found: 1 })));
    }
}
