//! Making and removing the cluster's folders. Only what the cluster made is removed, by name: a root
//! that was given by mistake keeps its other contents.

use crate::{Roots, place::is_node_name};
use std::{
    collections::BTreeSet,
    fs, io,
    path::{Path, PathBuf},
};

/// Says which file or folder can't be made, read or removed.
#[derive(Debug, thiserror::Error)]
#[error("can't {verb} `{path}`")]
pub struct FolderError {
    verb: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

impl FolderError {
    pub(crate) fn new(verb: &'static str, path: &Path, source: io::Error) -> Self {
        Self { verb, path: path.to_owned(), source }
    }
}

/// Makes a folder and those above it.
pub(crate) fn make(path: &Path) -> Result<(), FolderError> {
    fs::create_dir_all(path).map_err(|source| FolderError::new("make", path, source))
}

/// The names of the nodes that have a folder in either root.
pub(crate) fn node_names(roots: &Roots) -> Result<BTreeSet<String>, FolderError> {
    let mut names = BTreeSet::new();
    for root in [roots.run(), roots.data()] {
        names.extend(entries(root)?.into_iter().filter(|name| is_node_name(name)));
    }
    Ok(names)
}

/// Removes what the run folder holds of the cluster, and the folder if nothing else is in it.
pub(crate) fn remove_run(roots: &Roots) -> Result<(), FolderError> {
    remove_node_folders(roots.run())?;
    remove_tree(&roots.namespaces())?;
    remove_file(&roots.host_link_mark())?;
    remove_if_empty(roots.run())
}

/// Removes what the data folder holds of the cluster, and the folder if nothing else is in it. The
/// record goes last: as long as it is there, `down` can be run again.
pub(crate) fn remove_data(roots: &Roots) -> Result<(), FolderError> {
    remove_node_folders(roots.data())?;
    remove_tree(&roots.images())?;
    remove_file(&roots.record().with_extension("next"))?;
    remove_file(&roots.record())?;
    remove_if_empty(roots.data())
}

/// Removes what a folder holds except the files of these names.
pub(crate) fn clear(folder: &Path, except: &[&str]) -> Result<(), FolderError> {
    for name in entries(folder)?.iter().filter(|name| !except.contains(&name.as_str())) {
        let path = folder.join(name);
        if path.is_dir() && !path.is_symlink() {
            remove_tree(&path)?;
        } else {
            remove_file(&path)?;
        }
    }
    Ok(())
}

fn remove_node_folders(root: &Path) -> Result<(), FolderError> {
    entries(root)?.iter().filter(|name| is_node_name(name)).try_for_each(|name| remove_tree(&root.join(name)))
}

fn entries(folder: &Path) -> Result<Vec<String>, FolderError> {
    let failed = |source| FolderError::new("read the folder", folder, source);
    match fs::read_dir(folder) {
        Ok(entries) => entries
            // Names that are not UTF-8 are none of ours.
            .filter_map(|entry| entry.map(|entry| entry.file_name().into_string().ok()).transpose())
            .collect::<io::Result<_>>()
            .map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Vec::new()),
        Err(source) => Err(failed(source)),
    }
}

fn remove_tree(path: &Path) -> Result<(), FolderError> {
    gone(path, fs::remove_dir_all(path))
}

fn remove_file(path: &Path) -> Result<(), FolderError> {
    gone(path, fs::remove_file(path))
}

fn remove_if_empty(path: &Path) -> Result<(), FolderError> {
    match fs::remove_dir(path) {
        Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => Ok(()),
        result => gone(path, result),
    }
}

fn gone(path: &Path, result: io::Result<()>) -> Result<(), FolderError> {
    match result {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(FolderError::new("remove", path, error)),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_cluster_did_not_make_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::new(folder.path().join("run"), folder.path());
        for node in ["m1", "w2"] {
            fs::create_dir_all(folder.path().join(node).join("deep")).unwrap();
        }
        fs::write(folder.path().join("letters"), "mine").unwrap();
        assert_eq!(node_names(&roots).unwrap(), ["m1", "w2"].map(String::from).into());
        remove_data(&roots).unwrap();
        assert_eq!(entries(folder.path()).unwrap(), ["letters"]);
        remove_data(&roots).unwrap();
    }

    #[test]
    fn clearing_a_folder_keeps_the_named_files() {
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("daemon.log"), "").unwrap();
        fs::write(folder.path().join("shoal.sock"), "").unwrap();
        fs::create_dir_all(folder.path().join("netns/a")).unwrap();
        clear(folder.path(), &["daemon.log"]).unwrap();
        assert_eq!(entries(folder.path()).unwrap(), ["daemon.log"]);
    }
}
