//! The download of an image, layer by layer.

use super::{quote, sizes};
use proto::wire::PullProgress;

/// What is known of the download.
#[derive(Debug, Default)]
pub struct Download {
    layers: Vec<PullProgress>,
    /// The image, once it is whole.
    pub image_id: String,
    /// Its digest, once it is whole.
    pub digest: String,
}

impl Download {
    /// Takes a message in. `true` if a layer's status is another one now.
    pub fn take(&mut self, progress: PullProgress) -> bool {
        if !progress.image_id.is_empty() {
            self.image_id.clone_from(&progress.image_id);
            self.digest.clone_from(&progress.digest);
        }
        match self.layers.iter_mut().find(|layer| layer.layer == progress.layer) {
            Some(layer) => {
                let changed = layer.status != progress.status;
                *layer = progress;
                changed
            }
            None if progress.status.is_empty() => false,
            None => {
                self.layers.push(progress);
                true
            }
        }
    }

    /// A line for each layer, at most `width` columns wide.
    pub fn picture(&self, width: usize) -> Vec<String> {
        self.layers.iter().map(|layer| quote::shorten(&line(layer), width)).collect()
    }
}

/// `LAYER: STATUS`, with how much is there.
pub fn line(layer: &PullProgress) -> String {
    let mut text = quote::one_line(&layer.status);
    if !layer.layer.is_empty() {
        text = format!("{}: {text}", quote::id(&layer.layer, true));
    }
    if layer.total_bytes > 0 && layer.done_bytes < layer.total_bytes {
        text += &format!(" {}/{}", sizes::decimal(layer.done_bytes), sizes::decimal(layer.total_bytes));
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn progress(layer: &str, status: &str, done_bytes: u64) -> PullProgress {
        PullProgress {
            layer: layer.into(),
            status: status.into(),
            done_bytes,
            total_bytes: 2_000_000,
            ..Default::default()
        }
    }

    #[test]
    fn a_layer_keeps_its_line_and_tells_when_its_status_changes() {
        let mut download = Download::default();
        assert!(download.take(progress("sha256:aaaaaaaaaaaaaaaa", "Downloading", 0)));
        assert!(!download.take(progress("sha256:aaaaaaaaaaaaaaaa", "Downloading", 1_000_000)));
        assert!(download.take(progress("sha256:bbbbbbbbbbbbbbbb", "Waiting", 0)));
        assert!(download.take(progress("sha256:aaaaaaaaaaaaaaaa", "Pull complete", 2_000_000)));
        assert_eq!(download.picture(80), ["aaaaaaaaaaaa: Pull complete", "bbbbbbbbbbbb: Waiting 0B/2MB"]);
        let last =
            PullProgress { image_id: "sha256:1".into(), digest: "sha256:2".into(), ..Default::default() };
        assert!(!download.take(last));
        assert_eq!((download.image_id.as_str(), download.digest.as_str()), ("sha256:1", "sha256:2"));
    }
}
