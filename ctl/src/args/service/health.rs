//! How it is found out whether tasks work.

use clap::Args;

/// Options about probes.
#[derive(Debug, Default, Args)]
pub struct HealthArgs {
    /// Command, run in the container, that says whether it works ('' is the image's)
    #[arg(long, value_name = "COMMAND", allow_hyphen_values = true)]
    pub health_cmd: Option<String>,
    /// Time between health checks (the image's, else 30s)
    #[arg(long, value_name = "DURATION")]
    pub health_interval: Option<String>,
    /// How it is asked otherwise: http=PORT[/PATH], https=…, tcp=PORT, grpc=PORT[/SERVICE] or cmd=COMMAND,
    /// and interval=, timeout=, retries=, start-period=, start-interval=
    #[arg(long, value_name = "PROBE", conflicts_with = "health_cmd")]
    pub health_probe: Option<String>,
    /// Failures in a row after which a task is replaced (the image's, else 3)
    #[arg(long, value_name = "COUNT")]
    pub health_retries: Option<String>,
    /// Time between health checks until the first one succeeds (the image's, else 1s)
    #[arg(long, value_name = "DURATION")]
    pub health_start_interval: Option<String>,
    /// Time after the start in which failures do not count (the image's, else 0s)
    #[arg(long, value_name = "DURATION")]
    pub health_start_period: Option<String>,
    /// How long a health check may take (the image's, else 30s)
    #[arg(long, value_name = "DURATION")]
    pub health_timeout: Option<String>,
    /// No health check, whatever the image says
    #[arg(long, conflicts_with_all = ["health_cmd", "health_probe", "health_interval", "health_retries",
        "health_start_interval", "health_start_period", "health_timeout"])]
    pub no_healthcheck: bool,
    /// Whether a task gets connections, asked as with --health-probe every 5s; 'none' asks nothing
    #[arg(long, value_name = "PROBE")]
    pub readiness_probe: Option<String>,
    /// Whether a task has come up, asked as with --health-probe every 2s up to 150 times, before the others; or 'none'
    #[arg(long, value_name = "PROBE")]
    pub startup_probe: Option<String>,
}
