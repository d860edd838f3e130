//! One transfer for everyone who asks for the same image at the same time.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures::FutureExt;
use futures::future::{BoxFuture, Shared, WeakShared};
use tokio::sync::watch;

use super::progress::{PullProgress, Reporter};
use super::{PullError, PullOptions, transfer};
use crate::rules::digest::Digest;
use crate::rules::reference::Reference;
use crate::store::core::Core;
use crate::store::image::Image;

type Outcome = Result<Image, Arc<PullError>>;
type Transfer = BoxFuture<'static, Outcome>;

/// What must be equal for two callers to share: nobody gets in by someone else's password.
type Key = (Reference, PullOptions);

/// Knows the pulls and downloads that are under way in this process.
#[derive(Default)]
pub(crate) struct Flights {
    pulls: Mutex<BTreeMap<Key, Flight>>,
    downloads: Mutex<BTreeMap<Digest, Arc<tokio::sync::Mutex<()>>>>,
}

struct Flight {
    /// Weak, so that the transfer ends as soon as nobody waits for it.
    transfer: WeakShared<Transfer>,
    progress: watch::Receiver<PullProgress>,
}

impl Flights {
    /// Joins the pull that is under way, or starts it. Whoever waits also drives it, so no caller's end harms another.
    pub(crate) async fn pull(
        self: &Arc<Self>,
        core: Arc<Core>,
        reference: &Reference,
        options: &PullOptions,
        mut report: impl FnMut(&PullProgress) + Send,
    ) -> Outcome {
        let (mut transfer, mut progress) = self.join(core, reference, options);
        let mut shown = PullProgress::default();
        loop {
            tokio::select! {
                biased;
                // Both arms may be dropped at any time: the shared transfer goes on from where it is, and a
                // missed change is made up for by the next, which shows the latest state.
                Ok(()) = progress.changed() => {
                    shown = progress.borrow_and_update().clone();
                    report(&shown);
                }
                outcome = &mut transfer => {
                    let last = progress.borrow().clone();
                    if last != shown {
                        report(&last);
                    }
                    return outcome;
                }
            }
        }
    }

    fn join(
        self: &Arc<Self>,
        core: Arc<Core>,
        reference: &Reference,
        options: &PullOptions,
    ) -> (Shared<Transfer>, watch::Receiver<PullProgress>) {
        let mut pulls = self.pulls.lock().unwrap_or_else(PoisonError::into_inner);
        // What has ended is of no use to anyone.
        pulls.retain(|_, flight| flight.transfer.upgrade().is_some_and(|transfer| transfer.peek().is_none()));
        let key = (reference.clone(), options.clone());
        if let Some((flight, transfer)) =
            pulls.get(&key).and_then(|flight| Some((flight, flight.transfer.upgrade()?)))
        {
            return (transfer, flight.progress.clone());
        }
        let (sender, progress) = watch::channel(PullProgress::default());
        let pull = transfer::pull(core, self.clone(), key.0.clone(), key.1.clone(), Reporter(sender));
        let transfer = pull.map(|outcome| outcome.map_err(Arc::new)).boxed().shared();
        let weak = transfer.downgrade().expect("a transfer that has not been polled has not ended");
        pulls.insert(key, Flight { transfer: weak, progress: progress.clone() });
        (transfer, progress)
    }

    /// Waits for the turn to download a blob, so that two images with a common layer fetch it once.
    pub(crate) async fn turn(&self, digest: Digest) -> tokio::sync::OwnedMutexGuard<()> {
        let turn = {
            let mut downloads = self.downloads.lock().unwrap_or_else(PoisonError::into_inner);
            downloads.retain(|_, turn| Arc::strong_count(turn) > 1);
            downloads.entry(digest).or_default().clone()
        };
        turn.lock_owned().await
    }
}
