//! Looks who has the ports that a node wants.

use crate::{
    facts::{Bound, Holder, Protocol},
    judge::ports::VXLAN,
    parse::sockets::{self, Entry},
};
use std::{
    collections::BTreeMap,
    fs,
    path::{Path, PathBuf},
};

/// Lists the sockets at the ports of a node. The thread's own network namespace is what counts.
pub fn bound(listen_port: u16) -> Result<Vec<Bound>, String> {
    let mut found = Vec::new();
    for (protocol, tables) in [(Protocol::Tcp, ["tcp", "tcp6"]), (Protocol::Udp, ["udp", "udp6"])] {
        for table in tables {
            let path = format!("/proc/thread-self/net/{table}");
            let text = match fs::read_to_string(&path) {
                Ok(text) => text,
                // A kernel without IPv6 has no such table.
                Err(_) if table.ends_with('6') => continue,
                Err(error) => return Err(format!("cannot read {path}: {error}")),
            };
            found.extend(sockets::bound(&text, protocol).into_iter().map(|entry| (protocol, entry)));
        }
    }
    found.retain(|(_, entry)| [listen_port, VXLAN].contains(&entry.addr.port()));
    let holders = if found.is_empty() { BTreeMap::new() } else { holders(&found) };
    Ok(found.into_iter().map(|(protocol, entry)| with_holder(protocol, entry, &holders)).collect())
}

fn with_holder(protocol: Protocol, entry: Entry, holders: &BTreeMap<u64, Holder>) -> Bound {
    let holder = match entry.inode {
        0 => Holder::Kernel,
        inode => holders.get(&inode).cloned().unwrap_or(Holder::Hidden),
    };
    Bound { protocol, addr: entry.addr, holder }
}

/// Finds the processes that have the sockets open. What ends or hides meanwhile is passed over.
fn holders(wanted: &[(Protocol, Entry)]) -> BTreeMap<u64, Holder> {
    let names: BTreeMap<PathBuf, u64> =
        wanted.iter().map(|(_, entry)| (format!("socket:[{}]", entry.inode).into(), entry.inode)).collect();
    let mut holders = BTreeMap::new();
    for process in fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = process.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        for open in fs::read_dir(process.path().join("fd")).into_iter().flatten().flatten() {
            let inode = fs::read_link(open.path()).ok().and_then(|target| names.get(&target).copied());
            if let Some(inode) = inode {
                holders.entry(inode).or_insert_with(|| holder(pid, &process.path()));
            }
        }
    }
    holders
}

fn holder(pid: i32, process: &Path) -> Holder {
    let name = fs::read_to_string(process.join("comm")).unwrap_or_default();
    let words = fs::read(process.join("cmdline")).unwrap_or_default();
    let is_daemon = words.split(|byte| *byte == 0).nth(1) == Some(b"daemon".as_slice())
        && program(process).is_some_and(|other| Some(other) == program(Path::new("/proc/self")));
    Holder::Process { pid, name: name.trim_end().to_owned(), is_daemon }
}

/// The name of a process's program, also if the file was replaced by a newer one since it was started.
fn program(process: &Path) -> Option<String> {
    let path = fs::read_link(process.join("exe")).ok()?;
    let name = path.file_name()?.to_str()?;
    Some(name.strip_suffix(" (deleted)").unwrap_or(name).to_owned())
}
