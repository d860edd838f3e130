//! What a development cluster is made of, written down in its data folder: it outlives the machine's
//! restart, and tells `down` what to look for after any crash.

use crate::{OptionsError, Roots, Subnet, UpOptions};
use serde::{Deserialize, Serialize};
use std::{
    collections::BTreeMap,
    fs::{self, File},
    io::{self, Write},
    path::{Path, PathBuf},
};

/// The number of the file's format.
const FORMAT: u32 = 1;

/// What a cluster is made of.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Record {
    format: u32,
    pub name: String,
    pub managers: u8,
    pub workers: u8,
    pub subnet: Subnet,
    pub host_link: bool,
    pub program: PathBuf,
    pub daemon_args: Vec<String>,
    /// The cluster's ids of the nodes that have joined, by name: their cgroups are named for them.
    pub ids: BTreeMap<String, String>,
}

/// Says why the cluster's notes can't be used.
#[derive(Debug, thiserror::Error)]
pub enum RecordError {
    /// The file can't be read.
    #[error("can't read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file does not hold what it should.
    #[error("`{path}` is damaged: remove the cluster with `shoal down` and begin anew")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
    /// A program of another version wrote it.
    #[error(
        "`{path}` has format {format}, and this program knows {FORMAT}: use the program that made the cluster"
    )]
    Format {
        /// The file.
        path: PathBuf,
        /// Its format.
        format: u32,
    },
    /// The file can't be written.
    #[error("can't write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Its contents can't be put into a file.
    #[error("can't write `{path}`: a path in it is not UTF-8")]
    Encode {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl Record {
    /// What a new cluster is to be made of.
    pub fn new(options: &UpOptions, subnet: Subnet) -> Result<Self, OptionsError> {
        Ok(Self {
            format: FORMAT,
            name: options.name.clone(),
            managers: options.managers(None)?,
            workers: options.workers(None)?,
            subnet,
            host_link: options.host_link,
            program: options.program.clone(),
            daemon_args: options.daemon_args.clone(),
            ids: BTreeMap::new(),
        })
    }

    /// The same cluster as it is asked for now: it may have more nodes and another program.
    pub fn changed(self, options: &UpOptions) -> Result<Self, OptionsError> {
        if self.name != options.name {
            return Err(OptionsError::OtherName {
                folder: options.roots.data().to_owned(),
                have: self.name,
                want: options.name.clone(),
            });
        }
        if let Some(want) = options.subnet.filter(|subnet| *subnet != self.subnet) {
            return Err(OptionsError::Subnet { have: self.subnet, want });
        }
        Ok(Self {
            managers: options.managers(Some(self.managers))?,
            workers: options.workers(Some(self.workers))?,
            host_link: options.host_link,
            program: options.program.clone(),
            daemon_args: options.daemon_args.clone(),
            ..self
        })
    }

    /// Reads the record; `None` if there is no cluster.
    pub fn load(roots: &Roots) -> Result<Option<Self>, RecordError> {
        let path = roots.record();
        let text = match fs::read(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(RecordError::Read { path, source }),
        };
        let record: Record = match serde_json::from_slice(&text) {
            Ok(record) => record,
            Err(source) => return Err(RecordError::Damaged { path, source }),
        };
        if record.format != FORMAT {
            return Err(RecordError::Format { path, format: record.format });
        }
        Ok(Some(record))
    }

    /// Writes the record in one step, so that a crash leaves the old one or the new one.
    pub fn save(&self, roots: &Roots) -> Result<(), RecordError> {
        let path = roots.record();
        let text = match serde_json::to_vec_pretty(self) {
            Ok(text) => text,
            Err(source) => return Err(RecordError::Encode { path, source }),
        };
        replace(&path, &text).map_err(|source| RecordError::Write { path, source })
    }
}

fn replace(path: &Path, text: &[u8]) -> io::Result<()> {
    let next = path.with_extension("next");
    let mut file = File::create(&next)?;
    file.write_all(text)?;
    file.sync_all()?;
    fs::rename(&next, path)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options() -> UpOptions {
        UpOptions { managers: Some(1), workers: Some(1), ..UpOptions::new("dev", "/bin/shoal") }
    }

    #[test]
    fn a_record_is_read_back_as_it_was_written() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::new("/nowhere", folder.path());
        assert_eq!(Record::load(&roots).unwrap(), None);
        let mut record = Record::new(&options(), Subnet::default()).unwrap();
        record.ids.insert("m1".into(), "id".into());
        record.save(&roots).unwrap();
        assert_eq!(Record::load(&roots).unwrap(), Some(record));
    }

    #[test]
    fn a_damaged_record_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let roots = Roots::new("/nowhere", folder.path());
        fs::write(roots.record(), "{").unwrap();
        assert!(matches!(Record::load(&roots), Err(RecordError::Damaged { .. })));
    }

    #[test]
    fn the_network_of_a_cluster_stays() {
        let record = Record::new(&options(), Subnet::default()).unwrap();
        let other = UpOptions { subnet: Some("10.9.8.0/24".parse().unwrap()), ..options() };
        assert!(matches!(record.clone().changed(&other), Err(OptionsError::Subnet { .. })));
        let grown = UpOptions { workers: Some(4), ..options() };
        assert_eq!(record.changed(&grown).unwrap().workers, 4);
    }
}
