//! That no test forgets to look at what its cluster leaves behind.

use anyhow::{Result, ensure};
use std::{
    fs,
    path::{Path, PathBuf},
};

/// The sources of the end-to-end tests.
fn sources(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder)? {
        let path = entry?.path();
        if path.is_dir() {
            found.extend(sources(&path)?);
        } else if path.to_string_lossy().contains("/e2e_") {
            found.push(path);
        }
    }
    Ok(found)
}

/// The tests of a source that have a cluster and do not end with its audit.
fn forgetful(source: &str) -> Vec<&str> {
    let tests = source.split("#[test]\n").skip(1).filter_map(|text| text.split("\n}\n").next());
    let has_cluster = |test: &&str| test.contains("let cluster = ") || test.contains("let (cluster, ");
    let ends = |test: &str| test.trim_end().ends_with("\n    cluster.finish()");
    let name = |test: &'_ str| test.split('(').next().map(|head| head.len());
    tests.filter(has_cluster).filter(|test| !ends(test)).filter_map(|test| test.get(..name(test)?)).collect()
}

#[test]
fn every_test_with_a_cluster_ends_with_the_audit_of_what_is_left() -> Result<()> {
    let sources = sources(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests"))?;
    ensure!(sources.len() > 10, "the end-to-end tests are not where they were: {sources:?}");
    for path in sources {
        let text = fs::read_to_string(&path)?;
        let forgetful = forgetful(&text);
        ensure!(
            forgetful.is_empty(),
            "end these with `cluster.finish()`, in {}: {forgetful:?}",
            path.display()
        );
    }
    Ok(())
}
