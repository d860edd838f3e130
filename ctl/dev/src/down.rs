//! Taking a development cluster down: every trace of it goes, whatever state a crash left it in.

use crate::{
    DownOptions, Error, OptionsError, ProcessId, RecordError, Roots, daemon, error::blocking, folders,
    host_link::HostLink, lock::Lock, members::Scope, mounts, process, record::Record,
};
use std::{collections::BTreeSet, time::Duration};

/// How long daemons may take to end by themselves.
const GRACE: Duration = Duration::from_secs(10);
/// How long killed daemons may take to end.
const KILL_PATIENCE: Duration = Duration::from_secs(20);

/// What [`down`] has found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Down {
    /// There was no cluster.
    Nothing,
    /// There was one, or a part of one, and it is gone.
    Removed,
}

/// Takes a cluster down and removes every trace of it: daemons, containers, namespaces, the link and
/// table in the machine's namespace, cgroups, mounts and folders. Each step is told to `progress` in a
/// line. Running it again after an error continues.
pub async fn down(options: DownOptions, progress: &(dyn Fn(&str) + Send + Sync)) -> Result<Down, Error> {
    options.check()?;
    let runs = options.roots.run().exists();
    if !runs && (options.keep_data || !options.roots.data().exists()) {
        return Ok(Down::Nothing);
    }
    let (_lock, roots) = Lock::take(&options.roots)?;
    let record = readable(Record::load(&roots))?;
    if let Some(record) = record.as_ref().filter(|record| record.name != options.name) {
        return Err(OptionsError::OtherName {
            folder: roots.data().to_owned(),
            have: record.name.clone(),
            want: options.name,
        }
        .into());
    }
    let names = folders::node_names(&roots)?;
    if names.is_empty() && record.is_none() && !roots.namespaces().exists() {
        // The folders are somebody else's, or were made by taking the lock just now.
        folders::remove_run(&roots)?;
        folders::remove_data(&roots)?;
        return Ok(Down::Nothing);
    }
    stop_daemons(&roots, &names, progress).await?;
    let ids = record.map(|record| record.ids.into_values().collect()).unwrap_or_default();
    let paths = vec![roots.run().to_owned(), roots.data().to_owned()];
    progress("ending what is left of the containers");
    let scope = Scope { paths: paths.clone(), ids };
    blocking(move || scope.end()).await?;
    progress("removing the network");
    HostLink::new(&roots, &options.name).remove().await?;
    blocking(move || mounts::unmount_below(&paths)).await?;
    progress("removing the folders");
    let keep_data = options.keep_data;
    blocking(move || {
        if !keep_data {
            folders::remove_data(&roots)?;
        }
        folders::remove_run(&roots)
    })
    .await?;
    Ok(Down::Removed)
}

/// A damaged record tells nothing, and must not keep its cluster from being removed.
fn readable(record: Result<Option<Record>, RecordError>) -> Result<Option<Record>, RecordError> {
    match record {
        Err(RecordError::Damaged { path, source }) => {
            tracing::warn!(path = %path.display(), %source, "the cluster's record is damaged and is removed with it");
            Ok(None)
        }
        other => other,
    }
}

async fn stop_daemons(
    roots: &Roots,
    names: &BTreeSet<String>,
    progress: &(dyn Fn(&str) + Send + Sync),
) -> Result<(), Error> {
    let mut daemons: Vec<ProcessId> = Vec::new();
    for name in names {
        daemons.extend(daemon::running(roots, name)?);
    }
    if daemons.is_empty() {
        return Ok(());
    }
    progress(&format!("stopping {} daemons", daemons.len()));
    blocking(move || process::stop(&daemons, GRACE, KILL_PATIENCE)).await
}
