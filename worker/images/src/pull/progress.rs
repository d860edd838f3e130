//! How far a pull is.

use tokio::sync::watch;

use crate::rules::digest::Digest;
use crate::rules::document::Descriptor;

/// Shows every layer of an image that is being pulled, the lowest first; empty until the manifest is there.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PullProgress {
    /// The layers in the manifest's order.
    pub layers: Vec<LayerProgress>,
}

/// Shows how far one layer is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerProgress {
    /// Digest of the layer's archive.
    pub digest: Digest,
    /// Size of the archive, in bytes.
    pub size: u64,
    /// What is being done with it.
    pub state: LayerState,
}

/// Is what is being done with a layer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LayerState {
    /// Its turn has not come.
    Waiting,
    /// Its archive is coming in.
    Downloading {
        /// How much has come, in bytes. Starts over when a broken transfer is tried again.
        received: u64,
    },
    /// Its archive has been received and is being unpacked.
    Unpacking,
    /// It is in the store.
    Done,
}

/// Publishes the latest state to everyone who waits for the same pull.
#[derive(Debug, Clone)]
pub(crate) struct Reporter(pub watch::Sender<PullProgress>);

impl Reporter {
    pub(crate) fn start(&self, layers: &[Descriptor]) {
        let waiting = |layer: &Descriptor| LayerProgress {
            digest: layer.digest,
            size: layer.size,
            state: LayerState::Waiting,
        };
        self.0.send_replace(PullProgress { layers: layers.iter().map(waiting).collect() });
    }

    /// Reports on a layer; one that occurs several times is reported everywhere.
    pub(crate) fn report(&self, digest: Digest, state: LayerState) {
        self.0.send_modify(|progress| {
            for layer in progress.layers.iter_mut().filter(|layer| layer.digest == digest) {
                layer.state = state;
            }
        });
    }
}
