//! What a node remembers of its membership: who it is, where the managers are, its certificate.

use pki::Material;
use proto::model::{ClusterId, NodeId, Role};
use serde::{Deserialize, Serialize};
use std::{
    fs::{self, File, OpenOptions},
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::{Path, PathBuf},
};

const MEMBERSHIP: &str = "membership.json";
/// Key and certificate are in one file, so that a crash can't leave one without the other.
const KEY_AND_CERTIFICATE: &str = "node.pem";
const CERTIFICATE_BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const ROOT: &str = "root.crt";

/// A node's membership in a cluster.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Membership {
    /// The node.
    pub node: NodeId,
    /// Its cluster.
    pub cluster: ClusterId,
    /// What it was when it last looked.
    pub role: Role,
    /// How often it became a manager: each time it takes part in the consensus group as a new member.
    pub incarnation: u32,
    /// `HOST:PORT` at which others reach it as a manager.
    pub advertise_addr: String,
    /// `HOST:PORT` it listens on as a manager.
    pub listen_addr: String,
    /// The address for container traffic, if it was given.
    pub data_path_addr: Option<std::net::IpAddr>,
    /// The managers it knows, as `HOST:PORT`.
    pub managers: Vec<String>,
}

/// The folder in which a node keeps its identity.
#[derive(Debug, Clone)]
pub struct IdentityStore {
    dir: PathBuf,
}

/// Says why the identity could not be kept or read.
#[derive(Debug, thiserror::Error)]
pub enum IdentityError {
    /// A file can't be read.
    #[error("failed to read `{path}`")]
    Read {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// A file can't be written.
    #[error("failed to write `{path}`")]
    Write {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The file is not what was written.
    #[error("`{path}` is damaged: run `shoal swarm leave --force` on this node and join it again")]
    Damaged {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: serde_json::Error,
    },
}

impl IdentityStore {
    /// The identity in this folder; it need not exist.
    pub fn new(dir: PathBuf) -> Self {
        Self { dir }
    }

    /// The membership and the certificate, if the node is in a cluster.
    pub fn load(&self) -> Result<Option<(Membership, Material)>, IdentityError> {
        let path = self.dir.join(MEMBERSHIP);
        let text = match fs::read(&path) {
            Ok(text) => text,
            // It is written last, so without it nothing else counts.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            Err(source) => return Err(IdentityError::Read { path, source }),
        };
        let membership =
            serde_json::from_slice(&text).map_err(|source| IdentityError::Damaged { path, source })?;
        let both = self.read(KEY_AND_CERTIFICATE)?;
        let (key, cert) = both.split_at(both.find(CERTIFICATE_BEGIN).unwrap_or(both.len()));
        let material =
            Material { cert_pem: cert.to_owned(), key_pem: key.to_owned(), root_pem: self.read(ROOT)? };
        Ok(Some((membership, material)))
    }

    /// Keeps both, the membership last: it says that the rest is there.
    pub fn save(&self, membership: &Membership, material: &Material) -> Result<(), IdentityError> {
        self.save_material(material)?;
        self.save_membership(membership)
    }

    /// Keeps a renewed certificate and its key.
    pub fn save_material(&self, material: &Material) -> Result<(), IdentityError> {
        self.write(ROOT, &material.root_pem)?;
        self.write(KEY_AND_CERTIFICATE, &format!("{}{}", material.key_pem, material.cert_pem))
    }

    /// Keeps a changed membership.
    pub fn save_membership(&self, membership: &Membership) -> Result<(), IdentityError> {
        let text = serde_json::to_string_pretty(membership).expect("a membership has only text and numbers");
        self.write(MEMBERSHIP, &text)
    }

    /// Forgets the cluster.
    pub fn remove(&self) -> Result<(), IdentityError> {
        match fs::remove_dir_all(&self.dir) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(IdentityError::Write { path: self.dir.clone(), source })
            }
            _ => Ok(()),
        }
    }

    fn read(&self, name: &str) -> Result<String, IdentityError> {
        let path = self.dir.join(name);
        fs::read_to_string(&path).map_err(|source| IdentityError::Read { path, source })
    }

    /// Writes a file that only root can read, whole or not at all.
    fn write(&self, name: &str, text: &str) -> Result<(), IdentityError> {
        let path = self.dir.join(name);
        replace_file(&self.dir, &path, text.as_bytes())
            .map_err(|source| IdentityError::Write { path, source })
    }
}

fn replace_file(dir: &Path, path: &Path, bytes: &[u8]) -> io::Result<()> {
    fs::DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
    let beside = path.with_extension("new");
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&beside)?;
    file.write_all(bytes)?;
    file.sync_all()?;
    fs::rename(&beside, path)?;
    File::open(dir)?.sync_all()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::PermissionsExt;

    fn membership() -> Membership {
        Membership {
            node: NodeId::from_bits(1),
            cluster: ClusterId::from_bits(2),
            role: Role::Manager,
            incarnation: 3,
            advertise_addr: "10.0.0.1:2377".into(),
            listen_addr: "0.0.0.0:2377".into(),
            data_path_addr: None,
            managers: vec!["10.0.0.1:2377".into()],
        }
    }

    fn material() -> Material {
        Material {
            cert_pem: format!("{CERTIFICATE_BEGIN}\nc\n"),
            key_pem: "k\n".into(),
            root_pem: "r".into(),
        }
    }

    #[test]
    fn an_identity_is_read_back_and_only_root_can_read_it() {
        let dir = tempfile::tempdir().unwrap();
        let store = IdentityStore::new(dir.path().join("identity"));
        assert!(store.load().unwrap().is_none());
        store.save(&membership(), &material()).unwrap();
        let (read, material) = store.load().unwrap().unwrap();
        assert_eq!(read, membership());
        assert_eq!(material.key_pem, "k\n");
        assert_eq!(material.cert_pem, self::material().cert_pem);
        let mode =
            fs::metadata(dir.path().join("identity").join(KEY_AND_CERTIFICATE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        store.remove().unwrap();
        assert!(store.load().unwrap().is_none());
    }

    #[test]
    fn a_damaged_identity_is_named() {
        let dir = tempfile::tempdir().unwrap();
        let store = IdentityStore::new(dir.path().to_owned());
        store.save(&membership(), &material()).unwrap();
        fs::write(dir.path().join(MEMBERSHIP), "{").unwrap();
        let error = store.load().err().unwrap().to_string();
        assert!(error.contains("membership.json") && error.contains("leave --force"), "{error}");
    }
}
