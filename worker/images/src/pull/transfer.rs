//! The course of a pull: manifest, config, layers, and at last the name.

use std::sync::Arc;

use futures::{StreamExt, TryStreamExt};
use tracing::info;

use super::download::download;
use super::flight::Flights;
use super::progress::{LayerState, Reporter};
use super::registry::Registry;
use super::{PullError, PullOptions};
use crate::disk::scratch::Scratch;
use crate::rules::config::{self, ParsedConfig};
use crate::rules::digest::Digest;
use crate::rules::document::{self, Descriptor, Document, DocumentError, MAX_NESTING, Manifest};
use crate::rules::index::{Layer, Needs};
use crate::rules::layout;
use crate::rules::platform;
use crate::rules::recipe::{Part, Recipe};
use crate::rules::reference::Reference;
use crate::store::core::Core;
use crate::store::image::Image;
use crate::store::{StoreError, blocking};

/// How many layers come in at once: enough to fill a line, few enough not to annoy a registry.
const LAYERS_AT_ONCE: usize = 3;

/// Is a pull under way.
struct Pull {
    core: Arc<Core>,
    flights: Arc<Flights>,
    registry: Registry,
    scratch: Workplace,
    progress: Reporter,
    reference: Reference,
}

/// Owns the scratch folder together with the work on disk that uses it; it goes with the last of them.
struct Workplace(Option<Arc<Scratch>>);

impl Workplace {
    fn share(&self) -> Arc<Scratch> {
        self.0.clone().expect("only drop takes it")
    }
}

impl Drop for Workplace {
    fn drop(&mut self) {
        let scratch = self.0.take();
        // Emptying the folder blocks, and a dropped future is dropped on an async thread.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn_blocking(move || drop(scratch));
        }
    }
}

/// Pulls an image; dropping the future at any point leaves nothing but whole blobs and layers.
pub(crate) async fn pull(
    core: Arc<Core>,
    flights: Arc<Flights>,
    reference: Reference,
    options: PullOptions,
    progress: Reporter,
) -> Result<Image, PullError> {
    let registry = Registry::connect(&reference, &options).await?;
    let begin = core.clone();
    let scratch = blocking(move || begin.begin().map_err(PullError::from)).await?;
    let scratch = Workplace(Some(Arc::new(scratch)));
    Pull { core, flights, registry, scratch, progress, reference }.run().await
}

impl Pull {
    async fn run(self) -> Result<Image, PullError> {
        let (bytes, asked_digest, manifest) = self.manifest().await?;
        document::check_size("the config", manifest.config.size).map_err(|source| self.unusable(source))?;
        self.progress.start(&manifest.layers);
        let manifest_digest = Digest::of(&bytes);
        let documents = [manifest_digest, manifest.config.digest];
        self.need(Needs { blobs: documents.into(), ..Needs::default() }).await?;
        let config = self.config(&manifest.config).await?;
        platform::check(&self.core.platform, &self.reference, &config.platform)?;
        let recipe = Recipe::new(manifest_digest, &manifest, &config.diff_ids);
        let recipe = recipe.map_err(|source| self.unusable(source))?;
        self.need(recipe.needs()).await?;
        let layers = futures::stream::iter(recipe.parts.clone())
            .map(|part| self.layer(part))
            .buffered(LAYERS_AT_ONCE)
            .try_collect()
            .await?;
        self.finish(bytes, asked_digest, recipe, layers).await
    }

    /// Gets the manifest for this node. Also returns the digest of what the name itself stands for, which is an
    /// index if there are several variants.
    async fn manifest(&self) -> Result<(Vec<u8>, Digest, Manifest), PullError> {
        let mut bytes = self.registry.manifest(None).await?;
        let asked_digest = Digest::of(&bytes);
        for _ in 0..=MAX_NESTING {
            match document::parse(&bytes).map_err(|source| self.unusable(source))? {
                Document::Manifest(manifest) => return Ok((bytes, asked_digest, *manifest)),
                Document::Index(variants) => {
                    let image = self.reference.to_string();
                    let chosen = layout::pick(&self.core.platform, &image, variants)?;
                    bytes = self.registry.manifest(Some(chosen.digest)).await?;
                }
            }
        }
        Err(self.unusable(DocumentError::Nested))
    }

    async fn config(&self, descriptor: &Descriptor) -> Result<ParsedConfig, PullError> {
        self.fetch(descriptor).await?;
        let (core, digest) = (self.core.clone(), descriptor.digest);
        let bytes = blocking(move || core.blobs.read(digest).map_err(StoreError::from)).await?;
        config::parse(&bytes)
            .map_err(|source| PullError::Config { reference: Box::new(self.reference.clone()), source })
    }

    /// Brings in one layer and unpacks it.
    async fn layer(&self, part: Part) -> Result<Layer, PullError> {
        let digest = part.blob.digest;
        self.fetch(&part.blob).await?;
        self.progress.report(digest, LayerState::Unpacking);
        let (core, scratch) = (self.core.clone(), self.scratch.share());
        let layer = blocking(move || core.unpack(&scratch, &part).map_err(PullError::from)).await?;
        self.progress.report(digest, LayerState::Done);
        Ok(layer)
    }

    /// Downloads a blob unless it is in the store, or another pull is just bringing it there.
    async fn fetch(&self, blob: &Descriptor) -> Result<(), PullError> {
        let _turn = self.flights.turn(blob.digest).await;
        if self.core.blobs.has(blob.digest) {
            return Ok(());
        }
        let report = |received| self.progress.report(blob.digest, LayerState::Downloading { received });
        download(&self.core, self.scratch.share(), &self.registry, blob, report).await
    }

    async fn need(&self, needs: Needs) -> Result<(), PullError> {
        let (core, scratch) = (self.core.clone(), self.scratch.share());
        blocking(move || core.need(&scratch, &needs).map_err(PullError::from)).await
    }

    /// Makes the image known, by the name that was asked for and by the digest that it stood for.
    async fn finish(
        self,
        manifest: Vec<u8>,
        asked_digest: Digest,
        recipe: Recipe,
        layers: Vec<Layer>,
    ) -> Result<Image, PullError> {
        let id = recipe.id;
        let names = vec![self.reference.at(asked_digest), self.reference.clone()];
        let (core, scratch) = (self.core.clone(), self.scratch.share());
        let image = blocking(move || {
            core.blobs.put(&scratch, &manifest)?;
            core.commit(&scratch, vec![(recipe, layers, names)])?;
            let index = core.catalog.read()?;
            core.image(&index, id)
        });
        let image = image.await?.ok_or(PullError::Vanished { id })?;
        info!(reference = %self.reference, %id, "image pulled");
        Ok(image)
    }

    fn unusable(&self, source: DocumentError) -> PullError {
        PullError::Document { reference: Box::new(self.reference.clone()), source }
    }
}
