//! Builds layers and image archives, right ones and wrong ones.

use std::collections::BTreeMap;
use std::io::Write;

use serde_json::{Value, json};
use tar::{Builder, EntryType, Header};

use crate::{DiffId, Digest, ImageId, Platform};

/// Builds the archive of a layer entry by entry.
pub struct Layer(Builder<Vec<u8>>);

impl Layer {
    pub fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    pub fn file(self, path: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, path, "", content, |_| {})
    }

    pub fn folder(self, path: &str) -> Self {
        self.entry(EntryType::Directory, path, "", b"", |header| header.set_mode(0o755))
    }

    pub fn symlink(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Symlink, path, target, b"", |_| {})
    }

    pub fn hard_link(self, path: &str, target: &str) -> Self {
        self.entry(EntryType::Link, path, target, b"", |_| {})
    }

    /// Adds any entry; names are written as they are, so that they may be hostile.
    pub fn entry(
        mut self,
        kind: EntryType,
        path: &str,
        link: &str,
        content: &[u8],
        change: impl FnOnce(&mut Header),
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(content.len() as u64);
        let old = header.as_old_mut();
        old.name[..path.len()].copy_from_slice(path.as_bytes());
        old.linkname[..link.len()].copy_from_slice(link.as_bytes());
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, content).unwrap();
        self
    }

    /// Adds an extended header for the entry that follows.
    pub fn extended(mut self, records: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(records.iter().copied()).unwrap();
        self
    }

    pub fn build(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }
}

#[derive(Clone, Copy)]
pub enum Packing {
    Plain,
    Gzip,
    Zstd,
}

pub fn pack(bytes: &[u8], packing: Packing) -> Vec<u8> {
    match packing {
        Packing::Plain => bytes.to_vec(),
        Packing::Gzip => {
            let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
            writer.write_all(bytes).unwrap();
            writer.finish().unwrap()
        }
        Packing::Zstd => zstd::encode_all(bytes, 1).unwrap(),
    }
}

/// Is an image whose parts can be tampered with before it is put into an archive or registry.
pub struct TestImage {
    pub config: Vec<u8>,
    /// As stored, the lowest first.
    pub layers: Vec<Vec<u8>>,
}

impl TestImage {
    pub fn new(layers: &[Vec<u8>]) -> Self {
        Self::built_for(&Platform::of_this_node(), layers, Packing::Plain)
    }

    pub fn packed(layers: &[Vec<u8>], packing: Packing) -> Self {
        Self::built_for(&Platform::of_this_node(), layers, packing)
    }

    pub fn built_for(platform: &Platform, layers: &[Vec<u8>], packing: Packing) -> Self {
        let diff_ids: Vec<DiffId> = layers.iter().map(|layer| DiffId(Digest::of(layer))).collect();
        let config = json!({
            "os": platform.os, "architecture": platform.architecture, "variant": platform.variant,
            "created": "2026-01-02T03:04:05Z",
            "config": { "Cmd": ["/bin/app"], "Env": ["A=1"] },
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        let layers = layers.iter().map(|layer| pack(layer, packing)).collect();
        Self { config: config.to_string().into_bytes(), layers }
    }

    pub fn id(&self) -> ImageId {
        ImageId(Digest::of(&self.config))
    }

    pub fn manifest(&self) -> Vec<u8> {
        let layers: Vec<Value> = self
            .layers
            .iter()
            .map(|layer| descriptor("application/vnd.oci.image.layer.v1.tar+gzip", layer))
            .collect();
        json!({
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": descriptor("application/vnd.oci.image.config.v1+json", &self.config),
            "layers": layers,
        })
        .to_string()
        .into_bytes()
    }

    /// Returns every blob of the image by its digest.
    pub fn blobs(&self) -> BTreeMap<Digest, Vec<u8>> {
        let all = self.layers.iter().cloned().chain([self.config.clone(), self.manifest()]);
        all.map(|blob| (Digest::of(&blob), blob)).collect()
    }

    /// Writes a docker-archive.
    pub fn docker_archive(&self, tags: &[&str]) -> Vec<u8> {
        let config = format!("{}.json", self.id().0.hex());
        let names: Vec<String> = (0..self.layers.len()).map(|n| format!("{n}/layer.tar")).collect();
        let list = json!([{ "Config": config, "RepoTags": tags, "Layers": names }]);
        let mut files = vec![(config, self.config.clone())];
        files.extend(names.into_iter().zip(self.layers.iter().cloned()));
        files.push(("manifest.json".to_owned(), list.to_string().into_bytes()));
        tar_of(files)
    }

    /// Writes an OCI layout with this image under some names.
    pub fn oci_archive(&self, names: &[&str]) -> Vec<u8> {
        let manifest = self.manifest();
        let mut entries: Vec<Value> = names
            .iter()
            .map(|name| {
                let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &manifest);
                entry["annotations"] = json!({ "org.opencontainers.image.ref.name": name });
                entry
            })
            .collect();
        if entries.is_empty() {
            entries.push(descriptor("application/vnd.oci.image.manifest.v1+json", &manifest));
        }
        layout(&index(&entries), self.blobs())
    }
}

pub fn descriptor(media_type: &str, content: &[u8]) -> Value {
    json!({ "mediaType": media_type, "digest": Digest::of(content), "size": content.len() })
}

/// Returns the entry of an index for a variant of an image.
pub fn variant(image: &TestImage, platform: &Platform) -> Value {
    let mut entry = descriptor("application/vnd.oci.image.manifest.v1+json", &image.manifest());
    entry["platform"] = json!(platform);
    entry
}

pub fn index(entries: &[Value]) -> Vec<u8> {
    let media_type = "application/vnd.oci.image.index.v1+json";
    json!({ "schemaVersion": 2, "mediaType": media_type, "manifests": entries }).to_string().into_bytes()
}

pub fn layout(index: &[u8], blobs: BTreeMap<Digest, Vec<u8>>) -> Vec<u8> {
    let mut files = vec![("oci-layout".to_owned(), br#"{"imageLayoutVersion":"1.0.0"}"#.to_vec())];
    files.extend(blobs.into_iter().map(|(digest, blob)| (format!("blobs/sha256/{}", digest.hex()), blob)));
    files.push(("index.json".to_owned(), index.to_vec()));
    tar_of(files)
}

pub fn tar_of(files: impl IntoIterator<Item = (String, Vec<u8>)>) -> Vec<u8> {
    let archive =
        files.into_iter().fold(Layer::new(), |archive, (path, content)| archive.file(&path, &content));
    archive.build()
}

/// Returns a platform that is never this node's.
pub fn foreign(architecture: &str) -> Platform {
    Platform { os: "plan9".to_owned(), architecture: architecture.to_owned(), variant: None }
}
