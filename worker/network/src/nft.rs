//! Loads rules: one run of the `nft` program is one transaction.

use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use thiserror::Error;

use crate::namespace::{Namespace, NamespaceError};
use crate::traffic;

/// How much of what nft says goes into an error, in characters: the first complaint and the line it is about.
const COMPLAINT_MAX: usize = 400;

/// Why rules could not be loaded.
#[derive(Debug, Error)]
pub enum NftError {
    /// The namespace cannot be entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// The program cannot be started.
    #[error("cannot run {program}: install the package nftables")]
    Start {
        /// The program.
        program: PathBuf,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// The program did not take its input.
    #[error("cannot pass rules for table {table} to {program}")]
    Feed {
        /// The program.
        program: PathBuf,
        /// The table.
        table: String,
        /// What the system said.
        #[source]
        source: io::Error,
    },
    /// What the kernel has cannot be read back.
    #[error("cannot read which rules the kernel has in the namespace {namespace}")]
    Look {
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The kernel refused a change of elements.
    #[error("cannot change the elements of table {table} in the namespace {namespace}")]
    Change {
        /// The table.
        table: String,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// The program or the kernel refused the rules.
    #[error("nft refused the rules for table {table} in the namespace {namespace}: {complaint}")]
    Refused {
        /// The table.
        table: String,
        /// The namespace.
        namespace: PathBuf,
        /// The beginning of what nft said.
        complaint: String,
    },
}

/// The nft program.
#[derive(Debug, Clone)]
pub struct Nft {
    program: PathBuf,
}

impl Nft {
    /// Names the program; a bare name is looked up in `PATH`.
    pub fn new(program: &Path) -> Self {
        Self { program: program.to_owned() }
    }

    /// Loads a script in a namespace: all of it or nothing. Errors name the table.
    pub async fn load(&self, namespace: &Namespace, table: &str, script: String) -> Result<(), NftError> {
        let (nft, table, path) = (self.clone(), table.to_owned(), namespace.path().to_owned());
        namespace.run(move || nft.load_here(&path, &table, &script)).await?
    }

    /// Loads a script for a table as [`Nft::load`] does, in the very namespace of the calling thread.
    pub(crate) fn load_here(&self, namespace: &Path, table: &str, script: &str) -> Result<(), NftError> {
        accept(&feed(&self.program, table, script)?, namespace, table)
    }

    /// Returns what the program says about its version.
    pub(crate) async fn version(&self, namespace: &Namespace) -> Result<String, NftError> {
        let program = self.program.clone();
        let output = namespace
            .run(move || {
                Command::new(&program)
                    .arg("--version")
                    .stdin(Stdio::null())
                    .output()
                    .map_err(|source| NftError::Start { program, source })
            })
            .await??;
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }
}

fn accept(output: &Output, namespace: &Path, table: &str) -> Result<(), NftError> {
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().chars().take(COMPLAINT_MAX).collect();
    Err(NftError::Refused { table: table.to_owned(), namespace: namespace.to_owned(), complaint })
}

fn feed(program: &Path, table: &str, script: &str) -> Result<Output, NftError> {
    let mut child = Command::new(program)
        .args(["-f", "-"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(|source| NftError::Start { program: program.to_owned(), source })?;
    let mut stdin = child.stdin.take().expect("stdin was asked for");
    let written = stdin.write_all(script.as_bytes());
    traffic::note(script.len());
    drop(stdin);
    // Waits first: a child that was not waited for stays a zombie, and one that gave up says why.
    let output = child.wait_with_output();
    let failed = |source| NftError::Feed { program: program.to_owned(), table: table.to_owned(), source };
    let output = output.map_err(failed)?;
    if output.status.success() {
        written.map_err(failed)?;
    }
    Ok(output)
}
