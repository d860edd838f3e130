//! The node's images, as the people on it see them.

use bytes::{Buf, Bytes};
use futures::StreamExt;
use proto::wire::{
    ImageSummary, InspectImageRequest, InspectImageResponse, ListImagesResponse, LoadImageRequest,
    LoadImageResponse, PullImageRequest, PullProgress, RemoveImageRequest, RemoveImageResponse,
};
use std::{
    error::Error,
    io::{self, Read},
};
use tokio::sync::mpsc;
use tonic::{Status, Streaming};
use worker_images::{
    ImageStore, ImageUse, LayerProgress, LayerState, LoadError, PullOptions, Reference, RemoveError,
    StoreError,
};

/// Pieces of an archive that may wait to be unpacked.
const PIECES_WAITING: usize = 16;
/// Steps of a pull that may wait for the reader.
const STEPS_WAITING: usize = 64;

/// Takes in an archive as it arrives.
pub async fn load(
    store: &ImageStore,
    mut pieces: Streaming<LoadImageRequest>,
) -> Result<LoadImageResponse, Status> {
    let (sender, receiver) = mpsc::channel(PIECES_WAITING);
    let loading = tokio::spawn({
        let store = store.clone();
        async move { store.load(Arriving { pieces: receiver, piece: Bytes::new() }).await }
    });
    while let Some(piece) = pieces.next().await {
        let piece =
            piece.map_err(|status| io::Error::other(format!("the upload broke off: {}", status.message())));
        let broken = piece.is_err();
        // The receiver is gone when the archive was refused before its end; the result says why.
        if sender.send(piece.map(|piece| Bytes::from(piece.data))).await.is_err() || broken {
            break;
        }
    }
    drop(sender);
    let loaded = loading.await.map_err(|_| Status::cancelled("the daemon is stopping"))?.map_err(of_load)?;
    let mut answer = LoadImageResponse::default();
    for image in loaded {
        if image.references.is_empty() {
            answer.ids.push(image.id.to_string());
        }
        answer.references.extend(image.references.iter().map(Reference::familiar));
    }
    Ok(answer)
}

/// An archive that arrives in pieces, read by the thread that unpacks it.
struct Arriving {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    piece: Bytes,
}

impl Read for Arriving {
    fn read(&mut self, buf: &mut [u8]) -> io::Result<usize> {
        while self.piece.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.piece = piece?,
                None => return Ok(0),
            }
        }
        let count = buf.len().min(self.piece.len());
        self.piece.copy_to_slice(&mut buf[..count]);
        Ok(count)
    }
}

/// Pulls an image, telling each step.
pub fn pull(
    store: ImageStore,
    insecure: Vec<String>,
    request: PullImageRequest,
) -> Result<mpsc::Receiver<Result<PullProgress, Status>>, Status> {
    let reference: Reference = request
        .reference
        .parse()
        .map_err(|error: worker_images::ReferenceError| Status::invalid_argument(sentence(&error)))?;
    let (steps, receiver) = mpsc::channel(STEPS_WAITING);
    tokio::spawn(async move {
        let options = PullOptions { insecure, ..PullOptions::default() };
        let mut told: Vec<Option<LayerState>> = Vec::new();
        let tell = |progress: &worker_images::PullProgress| {
            told.resize(progress.layers.len(), None);
            for (layer, told) in progress.layers.iter().zip(&mut told) {
                if *told != Some(layer.state) {
                    *told = Some(layer.state);
                    // A slow reader misses steps, not the end.
                    let _ = steps.try_send(Ok(step(layer)));
                }
            }
        };
        let last = match store.pull(&reference, &options, tell).await {
            Ok(image) => Ok(PullProgress {
                image_id: image.id.to_string(),
                digest: image.manifest.to_string(),
                status: format!("pulled {}", reference.familiar()),
                ..PullProgress::default()
            }),
            Err(error) => Err(Status::failed_precondition(sentence(&*error))),
        };
        let _ = steps.send(last).await;
    });
    Ok(receiver)
}

fn step(layer: &LayerProgress) -> PullProgress {
    let (status, done_bytes) = match layer.state {
        LayerState::Waiting => ("waiting", 0),
        LayerState::Downloading { received } => ("downloading", received),
        LayerState::Unpacking => ("unpacking", layer.size),
        LayerState::Done => ("done", layer.size),
    };
    PullProgress {
        layer: layer.digest.to_string(),
        status: status.to_owned(),
        done_bytes,
        total_bytes: layer.size,
        ..PullProgress::default()
    }
}

/// Lists all images.
pub async fn list(store: &ImageStore) -> Result<ListImagesResponse, Status> {
    let images = store.list().await.map_err(|error| of_store(&error))?;
    Ok(ListImagesResponse { images: images.iter().map(summary).collect() })
}

fn summary(image: &worker_images::ImageSummary) -> ImageSummary {
    let created = image.created.as_deref().and_then(|created| created.parse::<jiff::Timestamp>().ok());
    ImageSummary {
        id: image.id.to_string(),
        references: image.tags.iter().map(Reference::familiar).collect(),
        digests: image.digests.iter().map(Reference::familiar).collect(),
        created_at: created.map_or(0, |created| created.as_millisecond()),
        size_bytes: image.size,
    }
}

/// Tells everything about one image.
pub async fn inspect(
    store: &ImageStore,
    request: InspectImageRequest,
) -> Result<InspectImageResponse, Status> {
    let found = store.inspect(&request.image).await.map_err(|error| of_store(&error))?;
    let details = found.ok_or_else(|| Status::not_found(format!("no such image: {}", request.image)))?;
    let layers = details.image.layers.iter().rev().filter_map(|layer| layer.file_name());
    Ok(InspectImageResponse {
        summary: Some(summary(&details.summary)),
        os: details.image.platform.os.clone(),
        arch: details.image.platform.architecture.clone(),
        config_json: details.raw_config.clone(),
        layer_digests: layers.map(|name| format!("sha256:{}", name.to_string_lossy())).collect(),
    })
}

/// Removes a name or an image; `in_use` says what this node's containers do with it.
pub async fn remove(
    store: &ImageStore,
    request: RemoveImageRequest,
    in_use: impl Fn(worker_images::ImageId) -> ImageUse + Send + 'static,
) -> Result<RemoveImageResponse, Status> {
    let removed = store.remove(&request.image, request.force, in_use).await.map_err(|error| match error {
        RemoveError::Refused(refusal) => Status::failed_precondition(refusal.to_string()),
        RemoveError::NotFound { .. } => Status::not_found(format!("no such image: {}", request.image)),
        RemoveError::Store(error) => of_store(&error),
    })?;
    Ok(RemoveImageResponse {
        untagged: removed.untagged.iter().map(Reference::familiar).collect(),
        deleted: removed.deleted.iter().map(ToString::to_string).collect(),
    })
}

fn of_load(error: LoadError) -> Status {
    Status::invalid_argument(sentence(&error))
}

/// The status for a store that failed.
pub fn of_store(error: &StoreError) -> Status {
    Status::failed_precondition(sentence(error))
}

/// An error with its causes, as one line for people.
pub fn sentence(error: &(dyn Error + 'static)) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line.push_str(&format!(": {error}"));
        cause = error.source();
    }
    line
}
