//! Rules that lead 127.0.0.11 port 53 to the name server's own ports, inside a container's namespace.
//!
//! The ports are written into the packets, there and back, instead of a `dnat` rule: resolvers use a port for
//! each query, and each would be kept in the kernel's table of connections for half a minute, which is full
//! after some 8000 queries a second.

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, Output, Stdio};

use worker_network::Namespace;

use crate::error::ResolverError;
use crate::sockets::{ADDRESS, Sockets};

/// The table's name. No node's id is in it: a container's namespace belongs to one daemon.
const TABLE: &str = "shoal-dns";

/// How much of what nft says goes into an error, in characters.
const COMPLAINT_MAX: usize = 400;

/// Leads queries to these sockets, and no longer to those of a daemon that ran before.
pub(crate) async fn lead_to(
    sockets: &Sockets,
    namespace: &Namespace,
    nft: &Path,
) -> Result<(), ResolverError> {
    let script = script(sockets.udp_port, sockets.tcp_port);
    let program = nft.to_owned();
    let output = namespace.run(move || feed(&program, &script)).await?;
    let output = output.map_err(|source| ResolverError::StartNft { program: nft.to_owned(), source })?;
    if output.status.success() {
        return Ok(());
    }
    let complaint = String::from_utf8_lossy(&output.stderr).trim().chars().take(COMPLAINT_MAX).collect();
    Err(ResolverError::Refused { namespace: namespace.path().to_owned(), complaint })
}

fn script(udp: u16, tcp: u16) -> String {
    // `add` first, since nft cannot delete what is not there. Before connection tracking, which is to see
    // none of it.
    format!(
        "add table ip {TABLE}
delete table ip {TABLE}
table ip {TABLE} {{
	chain output {{
		type filter hook output priority raw
		ip daddr {ADDRESS} udp dport 53 udp dport set {udp} notrack
		ip daddr {ADDRESS} tcp dport 53 tcp dport set {tcp} notrack
		ip saddr {ADDRESS} udp sport {udp} udp sport set 53 notrack
		ip saddr {ADDRESS} tcp sport {tcp} tcp sport set 53 notrack
	}}
}}
"
    )
}

/// Runs nft in the namespace that the thread is in.
fn feed(program: &Path, script: &str) -> io::Result<Output> {
    let mut child = Command::new(program)
        .args(["-f", "-"])
        .env("LC_ALL", "C")
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()?;
    let mut stdin = child.stdin.take().expect("stdin was asked for");
    let written = stdin.write_all(script.as_bytes());
    drop(stdin);
    // Waits first: a child that was not waited for stays a zombie, and one that gave up says why.
    let output = child.wait_with_output()?;
    if output.status.success() {
        written?;
    }
    Ok(output)
}
