//! What a task's mounts show, found or made on the node.

use crate::volumes::{Origin, VolumeError, Volumes};
use proto::model::{Mount, MountKind, TaskId, mount::MountError};
use std::{
    fs, io,
    path::{Path, PathBuf},
};
use worker_core::oci_spec::{ImageConfig, ResolvedMount, ResolvedSource};

/// Why a mount can't be had.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ResolveError {
    #[error(
        "cannot mount `{source_path}` at `{target}`: there is no such file or folder on this node; create it, or use a volume"
    )]
    NoSource { source_path: String, target: String },
    #[error("cannot mount `{source_path}` at `{target}`")]
    Source {
        source_path: String,
        target: String,
        #[source]
        source: io::Error,
    },
    #[error("the image declares a volume that cannot be mounted; mount something else there")]
    Declared(#[source] MountError),
    #[error(transparent)]
    Volume(#[from] VolumeError),
}

/// Finds or makes what a container's mounts show, those the image declares included. Waits for the disk.
pub(super) fn resolve(
    volumes: &Volumes,
    task: TaskId,
    asked: &[Mount],
    image: &ImageConfig,
    layers: &[PathBuf],
) -> Result<Vec<ResolvedMount>, ResolveError> {
    let declared = image.uncovered_volumes(asked).into_iter().map(|target| {
        let mount = Mount { target: target.into(), read_only: false, kind: MountKind::Volume { name: None } };
        mount.check().map_err(ResolveError::Declared)
    });
    let declared = declared.collect::<Result<Vec<_>, _>>()?;
    let mounts = asked.iter().chain(&declared).enumerate();
    let resolved = mounts.map(|(number, mount)| {
        let origin = Origin { layers, target: &mount.target };
        let source = match &mount.kind {
            MountKind::Bind { source } => ResolvedSource::Path(existing(source, &mount.target)?),
            MountKind::Volume { name: Some(name) } => ResolvedSource::Path(volumes.named(name, origin)?),
            MountKind::Volume { name: None } => ResolvedSource::Path(volumes.of_task(task, number, origin)?),
            MountKind::Tmpfs { size_bytes, mode } => {
                ResolvedSource::Tmpfs { size_bytes: *size_bytes, mode: *mode }
            }
        };
        Ok(ResolvedMount { target: mount.target.clone(), read_only: mount.read_only, source })
    });
    resolved.collect()
}

fn existing(path: &str, target: &str) -> Result<PathBuf, ResolveError> {
    let (source_path, target) = (path.to_owned(), target.to_owned());
    match fs::metadata(path) {
        Ok(_) => Ok(Path::new(path).to_owned()),
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            Err(ResolveError::NoSource { source_path, target })
        }
        Err(source) => Err(ResolveError::Source { source_path, target, source }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bind(source: &str) -> Mount {
        Mount { target: "/data".into(), read_only: true, kind: MountKind::Bind { source: source.into() } }
    }

    fn resolve_in(
        data: &Path,
        asked: &[Mount],
        image: &ImageConfig,
    ) -> Result<Vec<ResolvedMount>, ResolveError> {
        resolve(&Volumes::new(data), TaskId::from_bits(1), asked, image, &[])
    }

    #[test]
    fn a_bind_source_that_is_missing_is_refused_with_both_paths() {
        let dir = tempfile::tempdir().unwrap();
        let missing = dir.path().join("missing");
        let error =
            resolve_in(dir.path(), &[bind(missing.to_str().unwrap())], &ImageConfig::default()).unwrap_err();
        let text = error.to_string();
        assert!(
            text.contains("missing`") && text.contains("/data") && text.contains("no such file"),
            "{text}"
        );
    }

    #[test]
    fn what_the_image_declares_gets_a_volume_of_the_tasks_own() {
        let dir = tempfile::tempdir().unwrap();
        let image = ImageConfig { volumes: ["/cache".into(), "/data".into()].into(), ..Default::default() };
        let asked = bind(dir.path().to_str().unwrap());
        let resolved = resolve_in(dir.path(), &[asked], &image).unwrap();
        assert_eq!(resolved.len(), 2);
        assert_eq!((resolved[0].target.as_str(), resolved[0].read_only), ("/data", true));
        assert_eq!(resolved[1].target, "/cache");
        assert!(matches!(&resolved[1].source, ResolvedSource::Path(path) if path.is_dir()));
    }

    #[test]
    fn a_declared_volume_that_climbs_out_is_refused() {
        let dir = tempfile::tempdir().unwrap();
        let image = ImageConfig { volumes: ["/a/../../etc".into()].into(), ..Default::default() };
        assert!(matches!(resolve_in(dir.path(), &[], &image), Err(ResolveError::Declared(_))));
    }
}
