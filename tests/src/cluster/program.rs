//! The program under test.

use anyhow::{Context, Result, ensure};
use std::{env, path::PathBuf};

/// The `shoal` to test: the one that `SHOAL_BIN` names, else the one built beside the tests.
pub fn program() -> Result<PathBuf> {
    if let Some(named) = env::var_os("SHOAL_BIN") {
        return Ok(named.into());
    }
    let own = env::current_exe()?;
    // target/debug/deps/TEST -> target/debug/shoal
    let built = own.parent().and_then(|deps| deps.parent()).context("no target folder")?.join("shoal");
    ensure!(built.exists(), "{} is missing: run `cargo build --workspace` first", built.display());
    Ok(built)
}
