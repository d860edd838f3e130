//! Files made for one task: its `hosts`, `hostname` and `resolv.conf`, and how it is probed.
//!
//! ```text
//! <data>/task-files/<task>/hosts  hostname  resolv.conf  probes.json
//! ```

use proto::model::{DnsConfig, TaskId, TaskNetwork};
use std::{
    fs, io,
    net::IpAddr,
    os::unix::fs::DirBuilderExt,
    path::{Path, PathBuf},
};
use tracing::warn;
use worker_core::{etc_files, health::Plan, oci_spec::GeneratedFiles};

/// How the task's container is probed; nothing of the container's own.
const PROBES: &str = "probes.json";
const HOSTS: &str = "/etc/hosts";
/// The file that names the host's name servers.
pub(crate) const RESOLV_CONF: &str = "/etc/resolv.conf";
/// Where systemd-resolved keeps the servers that it asks itself.
const RESOLV_CONF_UPSTREAM: &str = "/run/systemd/resolve/resolv.conf";

/// A file of a task can't be made or removed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {verb} `{path}`")]
pub(crate) struct TaskFilesError {
    verb: &'static str,
    path: PathBuf,
    #[source]
    source: io::Error,
}

/// What a task's files say.
#[derive(Debug)]
pub(crate) struct Content {
    /// The container's host name.
    pub hostname: String,
    /// What it is connected to.
    pub network: TaskNetwork,
    /// How it looks names up.
    pub names: NameLookup,
    /// Its own addresses.
    pub addresses: Vec<IpAddr>,
    /// Further lines for `hosts`.
    pub extra_hosts: String,
}

/// How a container looks names up.
#[derive(Debug, Clone)]
pub(crate) struct NameLookup {
    /// Whether there is a name server in it.
    pub has_own_server: bool,
    /// What its service says.
    pub dns: DnsConfig,
}

/// The files of all tasks.
#[derive(Debug, Clone)]
pub(crate) struct TaskFiles(PathBuf);

impl TaskFiles {
    /// Names the files in a daemon's data folder.
    pub(crate) fn new(data_dir: &Path) -> Self {
        Self(data_dir.join("task-files"))
    }

    /// Says which files [`write`](Self::write) makes for a task.
    pub(crate) fn paths(&self, task: TaskId) -> GeneratedFiles {
        let path = |name| Some(self.folder(task).join(name));
        GeneratedFiles { hosts: path("hosts"), hostname: path("hostname"), resolv_conf: path("resolv.conf") }
    }

    /// Makes a task's files. Waits for the disk.
    pub(crate) fn write(&self, task: TaskId, content: &Content) -> Result<(), TaskFilesError> {
        let Content { hostname, network, names, addresses, extra_hosts } = content;
        let folder = self.folder(task);
        let made = fs::DirBuilder::new().recursive(true).mode(0o711).create(&folder);
        made.map_err(|source| TaskFilesError { verb: "make", path: folder.clone(), source })?;
        let (hosts, resolv_conf) = match network {
            TaskNetwork::Host => {
                (read(HOSTS)?, etc_files::resolv_conf_of_host(&read(RESOLV_CONF)?, &names.dns))
            }
            TaskNetwork::Node | TaskNetwork::None => {
                (etc_files::hosts(hostname, addresses), own_resolv_conf(names)?)
            }
        };
        if *network == TaskNetwork::Node && !etc_files::names_a_server(&resolv_conf) {
            warn!(%task, "no name server of this node can be reached from a container; name one in {RESOLV_CONF}");
        }
        let end = if hosts.is_empty() || hosts.ends_with('\n') { "" } else { "\n" };
        let hosts = hosts + end + extra_hosts;
        for (name, text) in
            [("hosts", hosts), ("hostname", format!("{hostname}\n")), ("resolv.conf", resolv_conf)]
        {
            let path = folder.join(name);
            fs::write(&path, text).map_err(|source| TaskFilesError { verb: "write", path, source })?;
        }
        Ok(())
    }

    /// Makes the `resolv.conf` of a container that runs anew, because it has got a name server or has it no
    /// more. Waits for the disk.
    pub(crate) fn write_resolv_conf(&self, task: TaskId, names: &NameLookup) -> Result<(), TaskFilesError> {
        let text = own_resolv_conf(names)?;
        let path = self.folder(task).join("resolv.conf");
        // In place: the container has this very file.
        fs::write(&path, text).map_err(|source| TaskFilesError { verb: "write", path, source })
    }

    /// Keeps how a task's container is probed; its other files are there. Waits for the disk.
    pub(crate) fn write_probes(&self, task: TaskId, plan: &Plan) -> Result<(), TaskFilesError> {
        let path = self.folder(task).join(PROBES);
        let text = serde_json::to_vec(plan).map_err(io::Error::from);
        let written = text.and_then(|text| fs::write(&path, text));
        written.map_err(|source| TaskFilesError { verb: "write", path, source })
    }

    /// Whether a task's container is probed.
    pub(crate) fn has_probes(&self, task: TaskId) -> bool {
        self.folder(task).join(PROBES).exists()
    }

    /// Returns how a task's container is probed, if it is. Waits for the disk.
    pub(crate) fn probes(&self, task: TaskId) -> Result<Option<Plan>, TaskFilesError> {
        let path = self.folder(task).join(PROBES);
        let read = match fs::read(&path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
            read => read.and_then(|text| serde_json::from_slice(&text).map_err(io::Error::from)),
        };
        read.map(Some).map_err(|source| TaskFilesError { verb: "read", path, source })
    }

    /// Removes a task's files. Waits for the disk.
    pub(crate) fn remove(&self, task: TaskId) -> Result<(), TaskFilesError> {
        let path = self.folder(task);
        match fs::remove_dir_all(&path) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(TaskFilesError { verb: "remove", path, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    fn folder(&self, task: TaskId) -> PathBuf {
        self.0.join(task.to_string())
    }
}

fn own_resolv_conf(names: &NameLookup) -> Result<String, TaskFilesError> {
    if names.has_own_server {
        return Ok(etc_files::resolv_conf_with_name_server(&read(RESOLV_CONF)?, &names.dns));
    }
    let upstream = read(RESOLV_CONF_UPSTREAM)?;
    Ok(etc_files::resolv_conf(&read(RESOLV_CONF)?, Some(upstream.as_str()), &names.dns))
}

/// Reads a file of the host; one that is not there is empty.
fn read(path: &str) -> Result<String, TaskFilesError> {
    match fs::read_to_string(path) {
        Err(source) if source.kind() != io::ErrorKind::NotFound => {
            Err(TaskFilesError { verb: "read", path: path.into(), source })
        }
        text => Ok(text.unwrap_or_default()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_its_files_until_they_are_removed() {
        let dir = tempfile::tempdir().unwrap();
        let files = TaskFiles::new(dir.path());
        let task = TaskId::from_bits(3);
        let lookup = |has_own_server| NameLookup { has_own_server, dns: DnsConfig::default() };
        let content = |has_own_server| Content {
            hostname: "web-1".into(),
            network: TaskNetwork::Node,
            names: lookup(has_own_server),
            addresses: vec!["10.0.0.2".parse().unwrap()],
            extra_hosts: "192.0.2.7\tdb\n".into(),
        };
        files.write(task, &content(false)).unwrap();
        let GeneratedFiles { hosts, hostname, resolv_conf } = files.paths(task);
        assert!(fs::read_to_string(hosts.unwrap()).unwrap().ends_with("10.0.0.2\tweb-1\n192.0.2.7\tdb\n"));
        assert_eq!(fs::read_to_string(hostname.clone().unwrap()).unwrap(), "web-1\n");
        let resolv_conf = resolv_conf.unwrap();
        assert!(!fs::read_to_string(&resolv_conf).unwrap().contains("127.0.0.11"));
        files.write(task, &content(true)).unwrap();
        assert!(fs::read_to_string(&resolv_conf).unwrap().starts_with("nameserver 127.0.0.11\n"));
        files.write_resolv_conf(task, &lookup(false)).unwrap();
        assert!(!fs::read_to_string(&resolv_conf).unwrap().contains("127.0.0.11"));
        files.remove(task).unwrap();
        files.remove(task).unwrap();
        assert!(!hostname.unwrap().exists());
    }
}
