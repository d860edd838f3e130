//! Loading images from archives and folders, in the formats of `docker save` and of OCI layouts.

mod error;
mod source;

use std::io::Read;
use std::path::Path;

use tracing::{info, warn};

pub use self::error::LoadError;
use self::source::{Source, claimed_digest};
use crate::disk::fs::FsError;
use crate::disk::scratch::Scratch;
use crate::rules::config;
use crate::rules::digest::{Digest, ImageId};
use crate::rules::document::{self, Descriptor, Document, DocumentError, MAX_NESTING, Manifest};
use crate::rules::index::Layer;
use crate::rules::layout::{self, DockerEntry, Listed};
use crate::rules::platform;
use crate::rules::recipe::Recipe;
use crate::rules::reference::Reference;
use crate::store::StoreError;
use crate::store::core::Core;

/// Names one image that was loaded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Loaded {
    /// The image.
    pub id: ImageId,
    /// The names the archive gave it; the id is all there is if none.
    pub references: Vec<Reference>,
}

/// Is an image found in an archive, with its documents checked.
struct Found {
    recipe: Recipe,
    manifest: Vec<u8>,
    config: Vec<u8>,
    names: Vec<Reference>,
    /// Where each part's archive lies.
    paths: Vec<String>,
}

impl Core {
    /// Loads the images of a tar archive.
    pub(crate) fn load(&self, archive: impl Read) -> Result<Vec<Loaded>, LoadError> {
        let scratch = self.begin()?;
        let loaded = Source::spool(&scratch, archive, self.limits)
            .and_then(|source| self.load_from(&scratch, &source));
        self.finish_load(scratch, loaded)
    }

    /// Loads the images of a layout in a folder.
    pub(crate) fn load_layout(&self, folder: &Path) -> Result<Vec<Loaded>, LoadError> {
        std::fs::read_dir(folder).map_err(FsError::at("list", folder))?;
        let scratch = self.begin()?;
        let loaded = self.load_from(&scratch, &Source::Folder(folder.to_owned()));
        self.finish_load(scratch, loaded)
    }

    /// Removes what a failed load has brought in already, which a full disk has the least room for.
    fn finish_load<T>(&self, scratch: Scratch, loaded: Result<T, LoadError>) -> Result<T, LoadError> {
        drop(scratch);
        if loaded.is_err()
            && let Err(error) = self.lock().map_err(StoreError::from).and_then(|lock| self.collect(lock))
        {
            warn!(%error, "cannot collect what a failed load left, the next removal will");
        }
        loaded
    }

    fn load_from(&self, scratch: &Scratch, source: &Source) -> Result<Vec<Loaded>, LoadError> {
        let all = self.find_images(scratch, source)?;
        if all.is_empty() {
            return Err(LoadError::NoImage);
        }
        let mut loaded = Vec::new();
        let mut images = Vec::new();
        for found in all {
            let layers = self.bring_in(scratch, source, &found)?;
            loaded.push(Loaded { id: found.recipe.id, references: found.names.clone() });
            images.push((found.recipe, layers, found.names));
        }
        self.commit(scratch, images)?;
        for image in &loaded {
            info!(id = %image.id, names = image.references.len(), "image loaded");
        }
        Ok(loaded)
    }

    /// Finds the images. Archives of newer Docker versions hold both lists; the OCI one says more.
    fn find_images(&self, scratch: &Scratch, source: &Source) -> Result<Vec<Found>, LoadError> {
        const OCI: &str = "index.json";
        const DOCKER: &str = "manifest.json";
        if let Some(bytes) = source.document(scratch, OCI)? {
            let image = OCI.to_owned();
            return match document::parse(&bytes).map_err(|source| LoadError::Document { image, source })? {
                Document::Manifest(_) => Err(LoadError::NoImage),
                Document::Index(entries) => layout::images(entries)?
                    .into_iter()
                    .map(|listed| self.find_oci(scratch, source, listed))
                    .collect(),
            };
        }
        let bytes = source.document(scratch, DOCKER)?.ok_or(LoadError::NoImage)?;
        let entries = serde_json::from_slice(&bytes);
        let entries: Vec<DockerEntry> = entries.map_err(|source| LoadError::Json { path: DOCKER, source })?;
        entries.into_iter().map(|entry| self.find_docker(scratch, source, entry)).collect()
    }

    fn find_oci(&self, scratch: &Scratch, source: &Source, listed: Listed) -> Result<Found, LoadError> {
        let image = match (&listed.name, listed.variants.first()) {
            (Some(name), _) => name.to_string(),
            (None, Some(variant)) => variant.digest.to_string(),
            (None, None) => return Err(LoadError::NoImage),
        };
        let mut variants = listed.variants;
        for _ in 0..MAX_NESTING {
            let chosen = layout::pick(&self.platform, &image, variants)?;
            let bytes = blob_document(scratch, source, &chosen)?;
            match document::parse(&bytes) {
                Ok(Document::Index(nested)) => variants = nested,
                Ok(Document::Manifest(manifest)) => {
                    let config = blob_document(scratch, source, &manifest.config)?;
                    let paths = manifest.layers.iter().map(|layer| blob_path(layer.digest)).collect();
                    let names = listed.name.into_iter().collect();
                    return self.check(image, bytes, &manifest, config, names, paths);
                }
                Err(source) => return Err(LoadError::Document { image, source }),
            }
        }
        Err(LoadError::Document { image, source: DocumentError::Nested })
    }

    fn find_docker(
        &self,
        scratch: &Scratch,
        source: &Source,
        entry: DockerEntry,
    ) -> Result<Found, LoadError> {
        let missing = |path: &str| LoadError::Missing { path: path.to_owned() };
        let config = source.document(scratch, &entry.config)?.ok_or_else(|| missing(&entry.config))?;
        if let Some(claimed) = claimed_digest(&entry.config) {
            claimed.check(Digest::of(&config), format_args!("`{}`", entry.config))?;
        }
        let mut layers = Vec::new();
        for path in &entry.layers {
            let layer = source.fetch(scratch, path)?.ok_or_else(|| missing(path))?;
            layers.push((layer.digest, layer.size));
        }
        let manifest = Manifest::describe((Digest::of(&config), config.len() as u64), layers);
        let bytes = serde_json::to_vec(&manifest).expect("a manifest of strings and numbers is valid JSON");
        let image = entry.repo_tags.first().unwrap_or(&entry.config).clone();
        self.check(image, bytes, &manifest, config, entry.names()?, entry.layers)
    }

    /// Checks that the parts fit together and to this node.
    fn check(
        &self,
        image: String,
        bytes: Vec<u8>,
        manifest: &Manifest,
        config: Vec<u8>,
        names: Vec<Reference>,
        paths: Vec<String>,
    ) -> Result<Found, LoadError> {
        let parsed =
            config::parse(&config).map_err(|source| LoadError::Config { image: image.clone(), source })?;
        platform::check(&self.platform, &image, &parsed.platform)?;
        let recipe = Recipe::new(Digest::of(&bytes), manifest, &parsed.diff_ids)
            .map_err(|source| LoadError::Document { image, source })?;
        Ok(Found { recipe, manifest: bytes, config, names, paths })
    }

    /// Brings an image's content into the store, unless it is there, and unpacks its layers.
    fn bring_in(&self, scratch: &Scratch, source: &Source, found: &Found) -> Result<Vec<Layer>, LoadError> {
        self.need(scratch, &found.recipe.needs())?;
        self.blobs.put(scratch, &found.manifest)?;
        self.blobs.put(scratch, &found.config)?;
        let mut layers = Vec::new();
        for (part, path) in found.recipe.parts.iter().zip(&found.paths) {
            if !self.blobs.has(part.blob.digest) {
                let fetched = source.fetch(scratch, path)?;
                let fetched = fetched.ok_or_else(|| LoadError::Missing { path: path.clone() })?;
                part.blob.digest.check(fetched.digest, format_args!("`{path}` in the image archive"))?;
                self.blobs.adopt(&fetched)?;
            }
            layers.push(self.unpack(scratch, part)?);
        }
        Ok(layers)
    }
}

fn blob_path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

/// Reads a document of an OCI layout and checks that it is the one that was asked for.
fn blob_document(scratch: &Scratch, source: &Source, descriptor: &Descriptor) -> Result<Vec<u8>, LoadError> {
    let path = blob_path(descriptor.digest);
    let Some(bytes) = source.document(scratch, &path)? else { return Err(LoadError::Missing { path }) };
    descriptor.digest.check(Digest::of(&bytes), format_args!("`{path}` in the image archive"))?;
    Ok(bytes)
}
