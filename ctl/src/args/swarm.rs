//! `shoal swarm`: making, joining and managing the cluster.

use clap::{Args, Subcommand, ValueEnum};

/// The verbs.
#[derive(Debug, Subcommand)]
pub enum SwarmCommand {
    /// Make a cluster of which this node is the first manager
    Init(InitArgs),
    /// Join a cluster as a worker or a manager
    Join(JoinArgs),
    /// Show or rotate the token that lets nodes join
    JoinToken(JoinTokenArgs),
    /// Take this node out of the cluster
    Leave(LeaveArgs),
    /// Change the cluster's settings
    Update(UpdateArgs),
}

/// How a node takes part.
#[derive(Debug, Args)]
pub struct MemberArgs {
    /// Address other nodes reach this one at (ADDRESS[:PORT]) [default: found by the daemon]
    #[arg(long, value_name = "ADDRESS")]
    pub advertise_addr: Option<String>,
    /// Address to listen at (ADDRESS[:PORT]) [default: 0.0.0.0:2377]
    #[arg(long, value_name = "ADDRESS")]
    pub listen_addr: Option<String>,
    /// Address other nodes send container traffic to [default: the advertised one]
    #[arg(long, value_name = "ADDRESS")]
    pub data_path_addr: Option<String>,
    /// Whether tasks are placed on this node: active, pause or drain
    #[arg(long, default_value = "active")]
    pub availability: String,
}

/// The cluster's settings.
#[derive(Debug, Default, Args)]
pub struct ClusterArgs {
    /// Ended tasks kept of each slot (a new cluster has 5)
    #[arg(long, value_name = "COUNT")]
    pub task_history_limit: Option<String>,
    /// How often nodes tell that they are alive (a new cluster has 1s)
    #[arg(long, value_name = "DURATION")]
    pub dispatcher_heartbeat: Option<String>,
    /// How long certificates of nodes are valid (a new cluster has 2160h)
    #[arg(long, value_name = "DURATION")]
    pub cert_expiry: Option<String>,
    /// Log entries between snapshots (a new cluster has 10000)
    #[arg(long, value_name = "COUNT")]
    pub snapshot_interval: Option<String>,
    /// Pools that new networks have their subnets from; they replace those there are (a new cluster has 10.0.0.0/8, and a
    /// range of its own for IPv6)
    #[arg(long = "default-addr-pool", value_name = "CIDR", value_delimiter = ',')]
    pub default_addr_pools: Vec<String>,
    /// Prefix of the IPv4 subnets taken from the pools (a new cluster has 24); IPv6 subnets have 64
    #[arg(long, value_name = "LENGTH")]
    pub default_addr_pool_mask_length: Option<String>,
}

/// Options of `swarm init`.
#[derive(Debug, Args)]
pub struct InitArgs {
    /// How this node takes part.
    #[command(flatten)]
    pub member: MemberArgs,
    /// The cluster's settings.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}

/// Options of `swarm join`.
#[derive(Debug, Args)]
pub struct JoinArgs {
    /// How this node takes part.
    #[command(flatten)]
    pub member: MemberArgs,
    /// Token printed by 'shoal swarm join-token'; it decides about the role
    #[arg(long)]
    pub token: String,
    /// A manager of the cluster
    #[arg(value_name = "HOST:PORT")]
    pub remote_addr: String,
}

/// Options of `swarm join-token`.
#[derive(Debug, Args)]
pub struct JoinTokenArgs {
    /// Only show the token
    #[arg(short, long)]
    pub quiet: bool,
    /// Make a new token; the old one lets nobody in any more
    #[arg(long)]
    pub rotate: bool,
    /// What the token makes of a node
    pub role: TokenRole,
}

/// What a token makes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum TokenRole {
    /// Runs tasks
    Worker,
    /// Also keeps the state and answers calls
    Manager,
}

/// Options of `swarm leave`.
#[derive(Debug, Args)]
pub struct LeaveArgs {
    /// Leave even if the cluster can't go on without this node
    #[arg(short, long)]
    pub force: bool,
}

/// Options of `swarm update`.
#[derive(Debug, Args)]
#[command(arg_required_else_help = true)]
pub struct UpdateArgs {
    /// The cluster's settings.
    #[command(flatten)]
    pub cluster: ClusterArgs,
}
