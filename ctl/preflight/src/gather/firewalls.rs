//! Lists the rules of this network namespace. They are only ever read here.

use crate::{facts::Firewalls, parse::ruleset};
use std::{
    fs,
    path::Path,
    process::{Command, Stdio},
};

/// Names the tables of the old iptables that were ever used in this namespace, a line each.
const LEGACY_TABLES: [&str; 2] =
    ["/proc/thread-self/net/ip_tables_names", "/proc/thread-self/net/ip6_tables_names"];

/// Looks at the rules.
pub fn firewalls(nft_program: &Path) -> Result<Firewalls, String> {
    // Terse leaves out what is in sets, which may be tens of thousands of addresses.
    let listed = Command::new(nft_program)
        .args(["--json", "--terse", "list", "ruleset"])
        .env("LC_ALL", "C")
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {}: {error}", nft_program.display()))?;
    if !listed.status.success() {
        let complaint = String::from_utf8_lossy(&listed.stderr);
        let first = complaint.lines().next().unwrap_or("it does not say why");
        return Err(format!("nft can't list the rules: {first}"));
    }
    let closed = ruleset::closed_chains(&listed.stdout)
        .map_err(|error| format!("nft's list can't be read: {error}"))?;
    Ok(Firewalls { closed, has_legacy_iptables: LEGACY_TABLES.into_iter().any(filters) })
}

fn filters(path: &str) -> bool {
    fs::read_to_string(path).is_ok_and(|tables| tables.lines().any(|table| table == "filter"))
}
