//! One blob on its way from a registry into the store.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use futures::StreamExt;
use tokio::sync::mpsc;
use tracing::warn;

use super::PullError;
use super::registry::Registry;
use crate::disk::blobs::{Received, Receiver};
use crate::disk::fs::FsError;
use crate::disk::scratch::Scratch;
use crate::rules::document::Descriptor;
use crate::store::core::Core;
use crate::store::{StoreError, blocking};

/// How often a transfer is started before a broken line is reported.
const ATTEMPTS: u32 = 3;
/// How long the second attempt waits; each further one waits twice as long.
const FIRST_PAUSE: Duration = Duration::from_millis(250);
/// How many pieces may wait for the disk before the network has to.
const PIECES: usize = 16;

/// Downloads a blob and stores it once its size and digest are right. Wrong content is not tried again.
pub(crate) async fn download(
    core: &Arc<Core>,
    scratch: Arc<Scratch>,
    registry: &Registry,
    blob: &Descriptor,
    report: impl Fn(u64),
) -> Result<(), PullError> {
    let mut attempt = 1;
    let received = loop {
        match receive(scratch.clone(), registry, blob, &report).await {
            Err(error) if attempt < ATTEMPTS && is_worth_another_try(&error) => {
                warn!(digest = %blob.digest, attempt, %error, "transfer broke off, trying again");
                tokio::time::sleep(FIRST_PAUSE * 2u32.pow(attempt - 1)).await;
                attempt += 1;
            }
            done => break done?,
        }
    };
    let core = core.clone();
    blocking(move || core.blobs.adopt(&received).map_err(PullError::from)).await
}

fn is_worth_another_try(error: &PullError) -> bool {
    matches!(error, PullError::Truncated { .. } | PullError::Unreachable { .. })
}

/// Receives a blob once, and checks its size and digest.
async fn receive(
    scratch: Arc<Scratch>,
    registry: &Registry,
    blob: &Descriptor,
    report: &impl Fn(u64),
) -> Result<Received, PullError> {
    let (pieces, queue) = mpsc::channel(PIECES);
    let writer = tokio::task::spawn_blocking(move || write(&scratch, queue));
    let transferred = transfer(registry, blob, pieces, report).await;
    let received = match writer.await {
        Ok(received) => received?,
        Err(failed) if failed.is_panic() => std::panic::resume_unwind(failed.into_panic()),
        Err(_) => return Err(StoreError::ShuttingDown.into()),
    };
    transferred?;
    if received.size < blob.size {
        let (expected, received) = (blob.size, received.size);
        return Err(PullError::Truncated {
            registry: registry.name(),
            blob: blob.digest,
            expected,
            received,
        });
    }
    registry.check(blob.digest, received.digest, "blob")?;
    Ok(received)
}

/// Passes a blob from the network to the writer, up to its size. A line that breaks counts as the blob's end.
async fn transfer(
    registry: &Registry,
    blob: &Descriptor,
    pieces: mpsc::Sender<Bytes>,
    report: &impl Fn(u64),
) -> Result<(), PullError> {
    let mut stream = registry.blob(blob).await?;
    let mut received = 0;
    while let Some(piece) = stream.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                // The size and digest tell what it means; the client's own digest check also ends up here.
                warn!(digest = %blob.digest, received, %error, "blob ended with an error");
                return Ok(());
            }
        };
        received += piece.len() as u64;
        if received > blob.size {
            return Err(PullError::TooLong {
                registry: registry.name(),
                blob: blob.digest,
                expected: blob.size,
            });
        }
        report(received);
        if pieces.send(piece).await.is_err() {
            // The writer has failed and says why.
            return Ok(());
        }
    }
    Ok(())
}

/// Writes what comes until the sender is gone, be it that all was sent or that the pull was dropped.
fn write(scratch: &Scratch, mut queue: mpsc::Receiver<Bytes>) -> Result<Received, FsError> {
    let mut receiver = Receiver::new(scratch)?;
    while let Some(piece) = queue.blocking_recv() {
        receiver.write(&piece)?;
    }
    Ok(receiver.finish())
}
