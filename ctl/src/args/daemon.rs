//! `shoal daemon`: every flag is also a key of the configuration file.

use clap::Args;
use std::path::PathBuf;

/// Options of `daemon`. What is not given here comes from the configuration file, then from the defaults.
#[derive(Debug, Default, Clone, Args)]
pub struct DaemonArgs {
    /// Configuration file whose keys are these flags [default: /etc/shoal/config.toml, if it is there]
    #[arg(long, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// Where everything is kept [default: /var/lib/shoal]
    #[arg(long, value_name = "DIR")]
    pub data_dir: Option<PathBuf>,
    /// Where sockets and namespaces are [default: /run/shoal]
    #[arg(long, value_name = "DIR")]
    pub run_dir: Option<PathBuf>,
    /// Socket to listen on [default: RUN_DIR/shoal.sock]
    #[arg(long, value_name = "FILE")]
    pub socket: Option<PathBuf>,
    /// Where images are; daemons on one machine may share it [default: DATA_DIR/images]
    #[arg(long, value_name = "DIR")]
    pub image_dir: Option<PathBuf>,
    /// Name of this node [default: the machine's host name]
    #[arg(long, value_name = "NAME")]
    pub hostname: Option<String>,
    /// Label that constraints can ask for as engine.labels.KEY
    #[arg(long = "label", value_name = "KEY=VALUE")]
    pub labels: Vec<String>,
    /// Registry, as HOST[:PORT], that is spoken to without TLS; loopback always is
    #[arg(long = "insecure-registry", value_name = "REGISTRY")]
    pub insecure_registries: Vec<String>,
    /// What is logged: error, warn, info, debug or trace, or a filter such as info,openraft=debug [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<String>,
}
