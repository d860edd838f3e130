//! `shoal up` and `shoal down`.

use clap::Args;

/// Options of `up`.
#[derive(Debug, Clone, Args)]
pub struct UpArgs {
    /// Managers [default: as many as there are, 3 in a new cluster]
    #[arg(long, value_name = "N")]
    pub managers: Option<u8>,
    /// Workers [default: as many as there are, 2 in a new cluster]
    #[arg(long, value_name = "N")]
    pub workers: Option<u8>,
    /// Name of the cluster; several may be up at the same time
    #[arg(long, default_value = "dev")]
    pub name: String,
    /// Network of the nodes in CIDR form [default: one of 10.88.x.0/24 or 10.89.x.0/24 that is free]
    #[arg(long, value_name = "SUBNET")]
    pub subnet: Option<String>,
    /// Leave the machine's own network alone: it can't reach the nodes, nor they anything outside
    #[arg(long)]
    pub no_host_link: bool,
    /// Further argument for every daemon, such as --daemon-arg=--log-level=debug
    #[arg(long = "daemon-arg", value_name = "ARG", allow_hyphen_values = true)]
    pub daemon_args: Vec<String>,
}

/// Options of `down`.
#[derive(Debug, Clone, Args)]
pub struct DownArgs {
    /// Name of the cluster
    #[arg(long, default_value = "dev")]
    pub name: String,
    /// Keep the nodes' data, so that the next `up` goes on with it
    #[arg(long)]
    pub keep_data: bool,
}
