//! `shoal network`: networks of the cluster. Every node has `bridge`, `host` and `none` by itself.

use super::{list::ListArgs, service::WaitArgs};
use clap::{Args, Subcommand};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum NetworkCommand {
    /// Connect a service, or one task that runs, to a network
    Connect(ConnectArgs),
    /// Create a network
    Create(CreateArgs),
    /// Disconnect a service or a task from a network
    Disconnect(DisconnectArgs),
    /// List networks
    #[command(visible_alias = "list")]
    Ls(LsArgs),
    /// Show everything about networks
    Inspect(NetworkInspectArgs),
    /// Remove networks
    #[command(visible_alias = "remove")]
    Rm(RmArgs),
    /// Remove all networks that no service uses
    Prune(PruneArgs),
    /// Compare what the nodes have of networks with what they should have
    Check(NetworkCheckArgs),
}

/// Options of `network create`.
#[derive(Debug, Args)]
pub struct CreateArgs {
    /// Subnet of the network, one IPv4 and one IPv6 at most [default: from the cluster's pools]
    #[arg(long = "subnet", value_name = "CIDR", value_delimiter = ',')]
    pub subnets: Vec<String>,
    /// Address of the containers' router in a subnet [default: its first]
    #[arg(long = "gateway", value_name = "IP", value_delimiter = ',')]
    pub gateways: Vec<String>,
    /// Part of a subnet that addresses are given out from [default: all of it]
    #[arg(long = "ip-range", value_name = "CIDR", value_delimiter = ',')]
    pub ip_ranges: Vec<String>,
    /// Give containers IPv4 addresses; there is no network without
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "true")]
    #[arg(action = clap::ArgAction::Set, hide_possible_values = true, hide_default_value = true, value_name = "BOOL")]
    pub ipv4: bool,
    /// Give containers IPv6 addresses too
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    #[arg(action = clap::ArgAction::Set, hide_possible_values = true, hide_default_value = true, value_name = "BOOL")]
    pub ipv6: bool,
    /// Let nothing out of the network, and nothing in
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    #[arg(action = clap::ArgAction::Set, hide_possible_values = true, hide_default_value = true, value_name = "BOOL")]
    pub internal: bool,
    /// Let single tasks be connected
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    #[arg(action = clap::ArgAction::Set, hide_possible_values = true, hide_default_value = true, value_name = "BOOL")]
    pub attachable: bool,
    /// Make it the network that carries the traffic of published ports
    #[arg(long, num_args = 0..=1, require_equals = true, default_missing_value = "true", default_value = "false")]
    #[arg(action = clap::ArgAction::Set, hide_possible_values = true, hide_default_value = true, value_name = "BOOL")]
    pub ingress: bool,
    /// Labels of the network (KEY=VALUE)
    #[arg(long = "label", value_name = "LABEL")]
    pub labels: Vec<String>,
    /// Kind of network: overlay (over all nodes), bridge (each node for itself) or macvlan (on a link of the nodes)
    #[arg(short, long, default_value = "overlay")]
    pub driver: String,
    /// How far the network reaches: swarm (overlay, macvlan) or local (bridge) [default: what its driver's networks do]
    #[arg(long)]
    pub scope: Option<String>,
    /// Options of the driver (mtu=BYTES; macvlan: parent=LINK[.VLAN], macvlan_mode=bridge|private|vepa|passthru)
    #[arg(short, long = "opt", value_name = "OPTION")]
    pub options: Vec<String>,
    /// Name of the network
    #[arg(value_name = "NETWORK")]
    pub name: String,
}

/// Options of `network ls`.
#[derive(Debug, Args)]
pub struct LsArgs {
    /// Options of every list. Filters: dangling, driver, id, label, name, scope, type.
    #[command(flatten)]
    pub list: ListArgs,
    /// Do not shorten ids
    #[arg(long)]
    pub no_trunc: bool,
}

/// Options of `network inspect`.
#[derive(Debug, Args)]
pub struct NetworkInspectArgs {
    /// 'json' or a Go template
    #[arg(short, long)]
    pub format: Option<String>,
    /// Show the services in the network and their tasks on all nodes too
    #[arg(short, long)]
    pub verbose: bool,
    /// Networks by id or name
    #[arg(required = true, value_name = "NETWORK")]
    pub networks: Vec<String>,
}

/// Options of `network rm`.
#[derive(Debug, Args)]
pub struct RmArgs {
    /// Do not fail if a network does not exist
    #[arg(short, long)]
    pub force: bool,
    /// Networks by id or name
    #[arg(required = true, value_name = "NETWORK")]
    pub networks: Vec<String>,
}

/// Options of `network check`.
#[derive(Debug, Args)]
pub struct NetworkCheckArgs {
    /// 'json' or a Go template
    #[arg(short, long)]
    pub format: Option<String>,
    /// Network by id or name [default: all, and the nodes' own]
    #[arg(value_name = "NETWORK")]
    pub network: Option<String>,
}

/// Options of `network prune`.
#[derive(Debug, Args)]
pub struct PruneArgs {
    /// Only networks that match (label=KEY[=VALUE], label!=KEY[=VALUE], until=TIME; may be repeated)
    #[arg(long = "filter", value_name = "FILTER")]
    pub filters: Vec<String>,
    /// Do not ask
    #[arg(short, long)]
    pub force: bool,
}

/// Options of `network connect`.
#[derive(Debug, Args)]
pub struct ConnectArgs {
    /// Further name in the network, of the service or of the task alone (may be repeated)
    #[arg(long = "alias", value_name = "NAME")]
    pub aliases: Vec<String>,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The network by id or name
    #[arg(value_name = "NETWORK")]
    pub network: String,
    /// A service by id or name, whose tasks are replaced; or a task by id, or as SERVICE.SLOT
    #[arg(value_name = "SERVICE|TASK")]
    pub target: String,
}

/// Options of `network disconnect`.
#[derive(Debug, Args)]
pub struct DisconnectArgs {
    /// Free a task's address at once, even if its node does not answer
    #[arg(short, long)]
    pub force: bool,
    /// Whether to wait.
    #[command(flatten)]
    pub wait: WaitArgs,
    /// The network by id or name
    #[arg(value_name = "NETWORK")]
    pub network: String,
    /// A service by id or name, whose tasks are replaced; or a task by id, or as SERVICE.SLOT
    #[arg(value_name = "SERVICE|TASK")]
    pub target: String,
}
