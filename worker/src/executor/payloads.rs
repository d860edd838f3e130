//! Secrets and configs of a task: files made before its container starts, and written anew while it runs.

use super::node::{Node, blocking};
use crate::{chain::Chain, payload_files::PayloadFilesError};
use proto::model::{Signal, Task};
use std::sync::Arc;
use tracing::{info, warn};
use worker_core::{
    oci_spec::{ResolvedMount, ResolvedSource},
    payloads::{PayloadError, PayloadFile},
    templates::{self, FillError},
};
use worker_runtime::Running;

/// Why a task's secrets and configs can't be had.
#[derive(Debug, thiserror::Error)]
pub(super) enum PayloadsError {
    #[error(transparent)]
    Content(#[from] PayloadError),
    #[error(transparent)]
    Files(#[from] PayloadFilesError),
    #[error(transparent)]
    Template(#[from] FillError),
}

/// Whether a task has any.
pub(super) fn are_used(task: Option<&Task>) -> bool {
    task.is_some_and(|task| task.spec.task.container.payloads().next().is_some())
}

/// Makes a task's files; gives the mounts by which its container finds them.
pub(super) async fn write(
    node: &Arc<Node>,
    task: &Task,
    files: Vec<PayloadFile>,
) -> Result<Vec<ResolvedMount>, PayloadsError> {
    if files.is_empty() {
        return Ok(Vec::new());
    }
    let (this, id) = (node.clone(), task.id);
    let targets: Vec<String> = files.iter().map(|file| file.path.clone()).collect();
    let paths = blocking(move || this.payload_files.write(id, &files)).await?;
    let mounts = targets.into_iter().zip(paths);
    let mounts = mounts.map(|(target, path)| {
        let source = ResolvedSource::Path(path);
        ResolvedMount { target, read_only: true, source }
    });
    Ok(mounts.collect())
}

/// Writes what has become of a running task's files into them, and tells its container if that was asked for. What the
/// managers have not told, as after a restart of the daemon, is left as it is.
pub(super) async fn refresh(node: &Arc<Node>, task: &Task, running: &Running) {
    if node.payloads.known().borrow().lacks(task).is_some() {
        return;
    }
    let told = match renewed(node, task).await {
        Ok(signals) => signals,
        Err(error) => {
            let error = Chain(&error);
            return warn!(task = %task.id, %error, "new content of a secret or config can't be given to the container");
        }
    };
    for signal in told {
        let running = running.clone();
        // It may just have ended.
        match blocking(move || running.signal(signal)).await {
            Ok(()) => info!(task = %task.id, %signal, "container was told of a new content"),
            Err(error) => {
                warn!(task = %task.id, error = %Chain(&error), "container can't be told of a new content");
            }
        }
    }
}

/// Renews the files; gives the signals for those that have changed, each once.
async fn renewed(node: &Arc<Node>, task: &Task) -> Result<Vec<Signal>, PayloadsError> {
    let filled = templates::fill(task, &node.description)?;
    let filled = filled.map(|spec| Task { spec: Arc::new(spec), ..task.clone() });
    let files = node.payloads.files(filled.as_ref().unwrap_or(task), &node.description).await?;
    let (this, id) = (node.clone(), task.id);
    let signals = blocking(move || -> Result<Vec<Signal>, PayloadFilesError> {
        let changed = this.payload_files.refresh(id, &files)?;
        if !changed.is_empty() {
            info!(task = %id, files = changed.len(), "new content of secrets or configs is written");
        }
        let mut signals = Vec::new();
        for signal in changed.into_iter().filter_map(|file| file.signal) {
            if !signals.contains(&signal) {
                signals.push(signal);
            }
        }
        Ok(signals)
    });
    Ok(signals.await?)
}
