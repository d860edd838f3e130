//! The name servers of the host, as its `resolv.conf` names them at the moment.

use crate::chain::Chain;
use std::{
    fs, io,
    net::{IpAddr, SocketAddr},
    os::unix::fs::MetadataExt,
    path::PathBuf,
};
use tracing::{info, warn};
use worker_core::etc_files;

/// The port of name servers (RFC 1035, 4.2).
const PORT: u16 = 53;

/// Reads the host's `resolv.conf` when it has changed.
#[derive(Debug)]
pub(crate) struct HostServers {
    path: PathBuf,
    /// What was read last; `None` at first and after a fault.
    read: Option<Stamp>,
    has_failed: bool,
}

/// What tells one content of a file from the next without reading it: the file itself, which may be replaced, its size,
/// and when it was written, in seconds and nanoseconds.
type Stamp = (u64, u64, u64, i64, i64);

impl HostServers {
    /// Nothing was read of the file yet.
    pub(crate) fn of(path: PathBuf) -> Self {
        Self { path, read: None, has_failed: false }
    }

    /// The servers if they may be others than last time; `None` also if the file can't be read, which is said once.
    /// Without a file there are none. Waits for the disk.
    pub(crate) fn changed(&mut self) -> Option<Vec<SocketAddr>> {
        let found = self.look();
        match found {
            Ok(servers) => {
                self.has_failed = false;
                servers
            }
            Err(error) => {
                if !std::mem::replace(&mut self.has_failed, true) {
                    let path = self.path.display();
                    warn!(%path, error = %Chain(&error), "name servers of the host can't be read; those known before are asked");
                }
                None
            }
        }
    }

    fn look(&mut self) -> io::Result<Option<Vec<SocketAddr>>> {
        // Before the text: what is written in between is read again the next time.
        let stamp = match fs::metadata(&self.path) {
            Ok(file) => (file.dev(), file.ino(), file.size(), file.mtime(), file.mtime_nsec()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Stamp::default(),
            Err(error) => return Err(error),
        };
        if self.read == Some(stamp) {
            return Ok(None);
        }
        let text = match fs::read_to_string(&self.path) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            text => text.unwrap_or_default(),
        };
        let servers = servers(&text);
        if self.read.replace(stamp).is_some() {
            info!(?servers, "name servers of the host have changed");
        }
        Ok(Some(servers))
    }
}

/// The servers that a `resolv.conf` names. Those with a scope, such as `fe80::1%eth0`, are passed over.
fn servers(resolv_conf: &str) -> Vec<SocketAddr> {
    let addresses: Vec<IpAddr> =
        etc_files::servers(resolv_conf).filter_map(|server| server.parse().ok()).collect();
    at_port(&addresses)
}

/// Where name servers of these addresses are asked.
pub(crate) fn at_port(addresses: &[IpAddr]) -> Vec<SocketAddr> {
    addresses.iter().map(|address| (*address, PORT).into()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts(servers: Option<Vec<SocketAddr>>) -> Option<Vec<String>> {
        Some(servers?.iter().map(ToString::to_string).collect())
    }

    #[test]
    fn servers_of_both_families_are_asked_and_those_with_a_scope_are_not() {
        let text = "nameserver 127.0.0.53\nnameserver fe80::1%eth0\nnameserver 2001:db8::1\nsearch lan\n";
        let found: Vec<String> = servers(text).iter().map(ToString::to_string).collect();
        assert_eq!(found, ["127.0.0.53:53", "[2001:db8::1]:53"]);
    }

    #[test]
    fn the_file_is_read_when_it_has_changed_however_it_was_written() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        let mut host = HostServers::of(path.clone());
        assert_eq!(texts(host.changed()), Some(vec![]), "there is no file yet");
        assert_eq!(host.changed(), None);
        fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        assert_eq!(texts(host.changed()), Some(vec!["192.0.2.1:53".into()]));
        assert_eq!(host.changed(), None);
        // As resolvconf and systemd do: another file takes its place, here with the same size.
        fs::write(dir.path().join("new"), "nameserver 192.0.2.2\n").unwrap();
        fs::rename(dir.path().join("new"), &path).unwrap();
        assert_eq!(texts(host.changed()), Some(vec!["192.0.2.2:53".into()]));
        fs::write(&path, "nameserver 192.0.2.2\nnameserver 192.0.2.3\n").unwrap();
        assert_eq!(texts(host.changed()).map(|servers| servers.len()), Some(2));
    }

    #[test]
    fn what_cannot_be_read_changes_nothing_until_it_can() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("resolv.conf");
        fs::create_dir(&path).unwrap();
        let mut host = HostServers::of(path.clone());
        assert_eq!((host.changed(), host.changed()), (None, None));
        fs::remove_dir(&path).unwrap();
        fs::write(&path, "nameserver 192.0.2.1\n").unwrap();
        assert_eq!(texts(host.changed()), Some(vec!["192.0.2.1:53".into()]));
    }
}
