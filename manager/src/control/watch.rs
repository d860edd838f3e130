//! Following one service until it is removed.

use super::{ControlService, addresses, service::Answers, services::view};
use crate::status::of_find;
use manager_core::{requests::find, state::State};
use proto::{
    model::ServiceId,
    wire::{ServiceView, WatchServiceRequest},
};
use std::time::Duration;
use tokio::sync::{mpsc, watch};
use tokio_stream::wrappers::ReceiverStream;
use tonic::Status;

/// Views that may wait for a slow reader; what changes meanwhile comes with the next one.
const VIEWS_WAITING: usize = 1;
/// Changes within this time are shown together.
const GATHER_TIME: Duration = Duration::from_millis(20);

impl ControlService {
    /// The service and its tasks now, and again whenever one of them changes.
    pub(super) async fn watch(&self, request: WatchServiceRequest) -> Result<Answers<ServiceView>, Status> {
        let state = self.state().await?;
        let service = find::service(&state, &request.service).map_err(of_find)?.id;
        let (views, stream) = mpsc::channel(VIEWS_WAITING);
        let leadership = self.leadership.clone();
        let changing = || Status::unavailable("the cluster's leader is changing; try again");
        let term = Some(leadership.my_term().ok_or_else(changing)?);
        let states = self.store.watch();
        tokio::spawn(async move {
            tokio::select! {
                () = follow(service, states, views.clone()) => {}
                // The reader then asks again, and is passed on to the new leader.
                () = leadership.my_term_changed(term) => {
                    let _ = views.send(Err(Status::unavailable("the cluster's leader has changed; try again"))).await;
                }
                () = views.closed() => {}
            }
        });
        Ok(Box::pin(ReceiverStream::new(stream)))
    }
}

async fn follow(
    service: ServiceId,
    mut states: watch::Receiver<State>,
    views: mpsc::Sender<Result<ServiceView, Status>>,
) {
    let mut seen = None;
    loop {
        let state = states.borrow_and_update().clone();
        let Some(found) = state.service(service) else {
            let _ = views.send(Err(Status::not_found("the service was removed"))).await;
            return;
        };
        // Versions only grow, so the largest tells whether any of them changed; the count, whether one is gone.
        let newest = state.tasks_of(service).map(|task| task.version).max().max(Some(found.version));
        let now = Some((newest, state.tasks_of(service).count()));
        if now != seen {
            seen = now;
            let tasks = state.tasks_of(service).map(|task| addresses::task_view(&state, task)).collect();
            let view = ServiceView { service: Some(view(&state, found)), tasks };
            if views.send(Ok(view)).await.is_err() {
                return;
            }
        }
        tokio::time::sleep(GATHER_TIME).await;
        if states.changed().await.is_err() {
            return;
        }
    }
}
