//! Keeps the networks as they should be: what something else takes away or changes is put back.
//!
//! Changes are looked into as they are noticed, once those that belong together are made; an audit now and then finds what
//! was not noticed. Files of namespaces are looked at every now and then, since nobody tells of them. What can't be put back
//! is tried again later each time, whatever alarms are raised by trying.

use std::collections::BTreeSet;
use std::future::Future;
use std::path::PathBuf;
use std::pin::{Pin, pin};
use std::time::{Duration, Instant};

use futures::FutureExt;
use proto::model::NetworkId;
use tokio::time::{MissedTickBehavior, interval, sleep};
use tracing::warn;

use crate::alarms::Place;
use crate::error::NetworkError;
use crate::faults::Faults;
use crate::network::Network;

/// How long a change is left to be followed by others, which also bounds how often is looked.
const PAUSE: Duration = Duration::from_millis(500);

/// How often everything is looked at.
const AUDIT: Duration = Duration::from_secs(30);

/// How often the files of namespaces are looked at, and what could not be put back is tried again at most.
const FILES: Duration = Duration::from_secs(2);

impl Network {
    /// Puts back what something else takes from this node's networks, until it is stopped. It stops between two networks.
    pub async fn keep(&self, stop: impl Future<Output = ()>) {
        let mut stop = pin!(stop);
        let (mut audit, mut files) = (interval(AUDIT), interval(FILES));
        let (mut faults, mut file_faults, mut inside_faults) = (Faults::new(), Faults::new(), Faults::new());
        audit.set_missed_tick_behavior(MissedTickBehavior::Delay);
        files.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            let places = tokio::select! {
                () = &mut stop => return,
                () = self.alarms.wait() => None,
                _ = audit.tick() => {
                    self.renew_watches().await;
                    self.look_inside(&mut inside_faults).await;
                    self.alarm_all();
                    None
                }
                _ = files.tick() => {
                    self.put_namespaces_back(&mut file_faults).await;
                    Some(faults.due(Instant::now()))
                }
            };
            let places = match places {
                Some(places) => places,
                None => {
                    tokio::select! {
                        () = &mut stop => return,
                        () = sleep(PAUSE) => {}
                    }
                    let mut places = self.concerned().await;
                    // What fails raises alarms itself by being tried.
                    places.retain(|place| !faults.has(place));
                    places
                }
            };
            if self.look_after(places, &mut faults, stop.as_mut()).await == Looked::Stopped {
                return;
            }
        }
    }

    fn alarm_all(&self) {
        self.alarms.raise(Place::Sandbox);
        self.overlays.list().into_iter().for_each(|network| self.alarms.raise(Place::Network(network)));
    }

    async fn renew_watches(&self) {
        for watch in self.watches.lock().await.iter_mut() {
            watch.renew().await;
        }
        self.overlays.renew_watches().await;
    }

    /// Puts back what containers have lost, of which no alarm is raised.
    async fn look_inside(&self, faults: &mut Faults<NetworkId>) {
        for (network, tried) in self.overlays.repair_inside().await {
            if let Some(error) = faults.note(network, tried.map_err(|error| chain(&error)), Instant::now()) {
                warn!(%network, error, "containers of a network could not be looked after");
            }
        }
    }

    /// Returns what is to be looked after because of the alarms that were raised.
    async fn concerned(&self) -> BTreeSet<Place> {
        let mut places = self.alarms.take();
        if places.remove(&Place::Host) {
            places.insert(Place::Sandbox);
            places.extend(self.overlays.concerned_by_host().await.into_iter().map(Place::Network));
        }
        places
    }

    /// Looks after some places, and notes what fails there.
    async fn look_after(
        &self,
        places: BTreeSet<Place>,
        faults: &mut Faults<Place>,
        mut stop: Pin<&mut impl Future<Output = ()>>,
    ) -> Looked {
        for place in places {
            if stop.as_mut().now_or_never().is_some() {
                return Looked::Stopped;
            }
            let repaired = match place {
                Place::Host | Place::Sandbox => self.repair().await,
                Place::Network(network) => self.overlays.repair(network).await.map_err(NetworkError::from),
            };
            let tried = repaired.map_err(|error| chain(&error));
            if let Some(error) = faults.note(place, tried, Instant::now()) {
                warn!(?place, error, "network could not be looked after");
            }
        }
        Looked::All
    }

    /// Binds namespaces that somebody unbound to their files again.
    async fn put_namespaces_back(&self, faults: &mut Faults<PathBuf>) {
        let mut put = self.containers.put_in_place();
        put.push((self.sandbox.path().to_owned(), self.sandbox.ensure_in_place()));
        for (file, done) in &put {
            if let Ok(true) = done {
                self.note_repairs(&[format!("the namespace {} is not bound to its file", file.display())]);
            }
        }
        let own = put.into_iter().map(|(file, done)| (file, done.map(drop).map_err(|error| chain(&error))));
        let of_overlays = self.overlays.put_in_place().await.into_iter();
        let of_overlays = of_overlays.map(|(file, done)| (file, done.map_err(|error| chain(&error))));
        for (file, done) in own.chain(of_overlays) {
            if let Some(error) = faults.note(file.clone(), done, Instant::now()) {
                warn!(file = %file.display(), error, "namespace could not be put back");
            }
        }
    }
}

/// How far looking after places came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Looked {
    All,
    Stopped,
}

/// An error with all its causes, in one line.
pub(crate) fn chain(error: &dyn std::error::Error) -> String {
    let causes = std::iter::successors(error.source(), |cause| cause.source());
    causes.fold(error.to_string(), |line, cause| format!("{line}: {cause}"))
}
