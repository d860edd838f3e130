//! The index: which names mean which manifest, and what each image consists of.

use std::collections::{BTreeMap, BTreeSet};

use serde::{Deserialize, Serialize};

use super::digest::{DiffId, Digest, ImageId};
use super::reference::Reference;

/// The format of the index; a program refuses one from a later version.
pub(crate) const VERSION: u32 = 1;

/// Lists content that must be kept.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Needs {
    pub blobs: BTreeSet<Digest>,
    pub layers: BTreeSet<DiffId>,
}

impl Needs {
    pub(crate) fn merge(&mut self, other: Needs) {
        self.blobs.extend(other.blobs);
        self.layers.extend(other.layers);
    }
}

/// Describes a layer that is in the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Layer {
    pub blob: Digest,
    pub diff_id: DiffId,
    /// Size of the archive, in bytes.
    pub archive_size: u64,
    /// What the unpacked folder takes on disk, in bytes.
    pub unpacked_size: u64,
}

/// Describes an image that is in the store, the lowest layer first.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    pub id: ImageId,
    pub layers: Vec<Layer>,
}

/// Maps names to manifests, and manifests to what they consist of. Every named manifest has a record.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Index {
    pub version: u32,
    names: BTreeMap<Reference, Digest>,
    manifests: BTreeMap<Digest, Record>,
}

impl Default for Index {
    fn default() -> Self {
        Self { version: VERSION, names: BTreeMap::new(), manifests: BTreeMap::new() }
    }
}

impl Index {
    /// Adds an image, or gives the one that is there already more names.
    pub(crate) fn add(&mut self, manifest: Digest, record: Record, names: &[Reference]) {
        self.manifests.insert(manifest, record);
        for name in names {
            self.names.insert(name.stored(), manifest);
        }
    }

    /// Returns the manifest that a name in its stored form means.
    pub(crate) fn named(&self, name: &Reference) -> Option<(Digest, &Record)> {
        let manifest = self.names.get(name)?;
        Some((*manifest, self.manifests.get(manifest)?))
    }

    /// Returns one manifest of an image; several differ only in how they are compressed.
    pub(crate) fn image(&self, id: ImageId) -> Option<(Digest, &Record)> {
        let (manifest, record) = self.manifests.iter().find(|(_, record)| record.id == id)?;
        Some((*manifest, record))
    }

    pub(crate) fn ids(&self) -> BTreeSet<ImageId> {
        self.manifests.values().map(|record| record.id).collect()
    }

    /// Returns every name of an image, tags and digests, in order.
    pub(crate) fn names_of(&self, id: ImageId) -> Vec<Reference> {
        let is_of = |manifest: &Digest| self.manifests.get(manifest).is_some_and(|record| record.id == id);
        self.names.iter().filter(|(_, manifest)| is_of(manifest)).map(|(name, _)| name.clone()).collect()
    }

    pub(crate) fn forget_name(&mut self, name: &Reference) {
        self.names.remove(name);
    }

    /// Removes an image with all its manifests and names.
    pub(crate) fn forget_image(&mut self, id: ImageId) {
        self.manifests.retain(|_, record| record.id != id);
        self.names.retain(|_, manifest| self.manifests.contains_key(manifest));
    }

    /// Returns everything that some image consists of.
    pub(crate) fn needs(&self) -> Needs {
        let mut needs = Needs::default();
        for (manifest, record) in &self.manifests {
            needs.blobs.extend([*manifest, record.id.0]);
            needs.blobs.extend(record.layers.iter().map(|layer| layer.blob));
            needs.layers.extend(record.layers.iter().map(|layer| layer.diff_id));
        }
        needs
    }

    /// Returns what an image takes on disk in all, and how much of it no other image shares, in bytes.
    pub(crate) fn sizes(&self, id: ImageId) -> (u64, u64) {
        let (mut own, mut others) = (Parts::default(), Parts::default());
        for record in self.manifests.values() {
            let parts = if record.id == id { &mut own } else { &mut others };
            parts.collect(&record.layers);
        }
        let size = own.blobs.values().sum::<u64>() + own.layers.values().sum::<u64>();
        own.blobs.retain(|blob, _| !others.blobs.contains_key(blob));
        own.layers.retain(|diff_id, _| !others.layers.contains_key(diff_id));
        let unique = own.blobs.values().sum::<u64>() + own.layers.values().sum::<u64>();
        (size, unique)
    }
}

/// Holds the sizes of layers, each counted once.
#[derive(Default)]
struct Parts {
    blobs: BTreeMap<Digest, u64>,
    layers: BTreeMap<DiffId, u64>,
}

impl Parts {
    fn collect(&mut self, layers: &[Layer]) {
        self.blobs.extend(layers.iter().map(|layer| (layer.blob, layer.archive_size)));
        self.layers.extend(layers.iter().map(|layer| (layer.diff_id, layer.unpacked_size)));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(content: &str, archive_size: u64, unpacked_size: u64) -> Layer {
        let blob = Digest::of(content.as_bytes());
        Layer {
            blob,
            diff_id: DiffId(Digest::of(content.to_uppercase().as_bytes())),
            archive_size,
            unpacked_size,
        }
    }

    fn record(id: &str, layers: &[Layer]) -> Record {
        Record { id: ImageId(Digest::of(id.as_bytes())), layers: layers.to_vec() }
    }

    #[test]
    fn shared_layers_count_for_each_image_but_are_unique_to_none() {
        let (base, top) = (layer("base", 10, 100), layer("top", 1, 5));
        let mut index = Index::default();
        let (one, two) = (record("1", &[base, top]), record("2", &[base, base]));
        let (one_id, two_id) = (one.id, two.id);
        index.add(Digest::of(b"m1"), one, &[]);
        index.add(Digest::of(b"m2"), two, &[]);
        assert_eq!(index.sizes(one_id), (116, 6));
        assert_eq!(index.sizes(two_id), (110, 0));
    }

    #[test]
    fn a_name_that_moves_leaves_the_old_image_nameless_but_there() {
        let name: Reference = "app:1".parse().unwrap();
        let mut index = Index::default();
        let (old, new) = (record("old", &[]), record("new", &[]));
        let (old_id, new_id) = (old.id, new.id);
        index.add(Digest::of(b"m1"), old, std::slice::from_ref(&name));
        index.add(Digest::of(b"m2"), new, std::slice::from_ref(&name));
        assert_eq!(index.names_of(old_id), []);
        assert_eq!(index.names_of(new_id), [name]);
        assert!(index.image(old_id).is_some());
    }

    #[test]
    fn an_index_reads_back_what_it_writes() {
        let mut index = Index::default();
        let name: Reference = "app:1".parse().unwrap();
        index.add(Digest::of(b"m"), record("1", &[layer("l", 1, 2)]), &[name]);
        let json = serde_json::to_string(&index).unwrap();
        assert_eq!(serde_json::from_str::<Index>(&json).unwrap(), index);
    }
}
