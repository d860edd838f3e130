//! How manifest and config together make an image: which archive gives which layer, and their order.

use super::digest::{DiffId, Digest, ImageId};
use super::document::{Descriptor, DocumentError, Manifest};
use super::index::Needs;

/// Names one layer: the archive it comes in, and what the archive must unpack to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Part {
    pub blob: Descriptor,
    pub diff_id: DiffId,
}

/// Lists everything that has to be in the store for one image, the lowest layer first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recipe {
    pub manifest: Digest,
    pub id: ImageId,
    pub parts: Vec<Part>,
}

impl Recipe {
    /// Pairs the manifest's layers with the config's diff ids.
    pub(crate) fn new(
        manifest_digest: Digest,
        manifest: &Manifest,
        diff_ids: &[DiffId],
    ) -> Result<Self, DocumentError> {
        if manifest.layers.len() != diff_ids.len() {
            return Err(DocumentError::LayerCount {
                manifest: manifest.layers.len(),
                config: diff_ids.len(),
            });
        }
        let pairs = manifest.layers.iter().cloned().zip(diff_ids.iter().copied());
        Ok(Self {
            manifest: manifest_digest,
            id: ImageId(manifest.config.digest),
            parts: pairs.map(|(blob, diff_id)| Part { blob, diff_id }).collect(),
        })
    }

    /// Returns what must not be collected while the image is being brought in.
    pub(crate) fn needs(&self) -> Needs {
        Needs {
            blobs: self.parts.iter().map(|part| part.blob.digest).chain([self.manifest, self.id.0]).collect(),
            layers: self.parts.iter().map(|part| part.diff_id).collect(),
        }
    }
}

/// Orders layers for overlayfs: the topmost first, each once.
///
/// Overlayfs refuses a directory that is listed twice. Of a repeated layer only the topmost occurrence
/// shows: whatever lies in between and beneath it, it hides or restores by itself.
pub(crate) fn stack(lowest_first: impl DoubleEndedIterator<Item = DiffId>) -> Vec<DiffId> {
    let mut topmost_first: Vec<DiffId> = Vec::new();
    for diff_id in lowest_first.rev() {
        if !topmost_first.contains(&diff_id) {
            topmost_first.push(diff_id);
        }
    }
    topmost_first
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_are_stacked_topmost_first_and_a_repeated_one_once() {
        let [a, b, c] = [b"a", b"b", b"c"].map(|bytes| DiffId(Digest::of(bytes)));
        assert_eq!(stack([a, b, a, c].into_iter()), [c, a, b]);
    }

    #[test]
    fn a_config_with_another_number_of_layers_is_refused() {
        let manifest = Manifest::describe((Digest::of(b"c"), 1), [(Digest::of(b"l"), 1)]);
        let error = Recipe::new(Digest::of(b"m"), &manifest, &[]).unwrap_err();
        assert!(matches!(error, DocumentError::LayerCount { manifest: 1, config: 0 }));
    }
}
