//! `shoal daemon`: settings from flags and file, logging, signals, then the daemon itself.

use crate::{args::daemon::DaemonArgs, error::CliError};
use ::daemon::DaemonConfig;
use proto::model::Problems;
use serde::Deserialize;
use std::{
    collections::BTreeMap,
    fs, io,
    path::{Path, PathBuf},
};
use tokio::signal::unix::{SignalKind, signal};
use tracing_subscriber::EnvFilter;

/// Read if no other file is named and it exists.
const CONFIG_FILE: &str = "/etc/shoal/config.toml";
/// Threads for the manager, the agent and the socket together; what blocks has threads of its own.
const THREADS: usize = 2;

/// The configuration file.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, default)]
struct File {
    data_dir: Option<PathBuf>,
    run_dir: Option<PathBuf>,
    socket: Option<PathBuf>,
    image_dir: Option<PathBuf>,
    hostname: Option<String>,
    labels: Vec<String>,
    insecure_registries: Vec<String>,
    log_level: Option<String>,
}

/// Runs the daemon until SIGTERM or SIGINT.
pub fn run(args: DaemonArgs) -> Result<(), CliError> {
    let (config, log_level) = settings(args)?;
    let filter = EnvFilter::try_new(&log_level).map_err(|error| {
        let mut problems = Problems::default();
        problems.add("--log-level", format!("`{log_level}` is not a level or filter: {error}"));
        problems
    })?;
    tracing_subscriber::fmt().with_env_filter(filter).with_writer(io::stderr).with_ansi(false).init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(THREADS)
        .enable_all()
        .build()
        .map_err(CliError::Program)?;
    runtime.block_on(async {
        let mut terminate = signal(SignalKind::terminate()).map_err(CliError::Signal)?;
        let mut interrupt = signal(SignalKind::interrupt()).map_err(CliError::Signal)?;
        let stop = async {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
        };
        ::daemon::run(config, stop).await.map_err(CliError::Daemon)
    })
}

/// The settings: flags before the file, the file before the defaults; and what is to be logged.
fn settings(args: DaemonArgs) -> Result<(DaemonConfig, String), CliError> {
    let file = read(args.config.as_deref())?;
    let data_dir = args.data_dir.or(file.data_dir).unwrap_or_else(|| "/var/lib/shoal".into());
    let run_dir = args.run_dir.or(file.run_dir).unwrap_or_else(|| "/run/shoal".into());
    let mut problems = Problems::default();
    let labels = if args.labels.is_empty() { file.labels } else { args.labels };
    let labels = labels.iter().map(|label| pair(label));
    let labels: BTreeMap<_, _> = problems.take_all("--label", labels).into_iter().collect();
    let insecure_registries =
        if args.insecure_registries.is_empty() { file.insecure_registries } else { args.insecure_registries };
    let config = DaemonConfig {
        socket: args.socket.or(file.socket).unwrap_or_else(|| run_dir.join("shoal.sock")),
        image_dir: args.image_dir.or(file.image_dir).unwrap_or_else(|| data_dir.join("images")),
        hostname: args.hostname.or(file.hostname).unwrap_or_else(::daemon::hostname),
        labels,
        insecure_registries,
        // The program as it runs now, though a newer one may be installed in its place meanwhile.
        program: "/proc/self/exe".into(),
        version: env!("CARGO_PKG_VERSION").to_owned(),
        data_dir,
        run_dir,
    };
    problems.finish(())?;
    Ok((config, args.log_level.or(file.log_level).unwrap_or_else(|| "info".to_owned())))
}

fn read(named: Option<&Path>) -> Result<File, CliError> {
    let path = named.unwrap_or(Path::new(CONFIG_FILE));
    let text = match fs::read_to_string(path) {
        Ok(text) => text,
        Err(error) if named.is_none() && error.kind() == io::ErrorKind::NotFound => {
            return Ok(File::default());
        }
        Err(source) => return Err(CliError::ReadConfig { path: path.to_owned(), source }),
    };
    toml::from_str(&text)
        .map_err(|source| CliError::Config { path: path.to_owned(), source: Box::new(source) })
}

fn pair(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err(format!("`{text}` is not a label: write KEY=VALUE")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with_file(text: &str, args: DaemonArgs) -> Result<(DaemonConfig, String), CliError> {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("config.toml");
        fs::write(&path, text).unwrap();
        settings(DaemonArgs { config: Some(path), ..args })
    }

    #[test]
    fn a_flag_goes_before_the_file_and_the_file_before_the_default() {
        let text = "data-dir = \"/srv/shoal\"\nhostname = \"a\"\nlog-level = \"debug\"";
        let args = DaemonArgs { hostname: Some("b".into()), ..DaemonArgs::default() };
        let (config, log_level) = with_file(text, args).unwrap();
        assert_eq!(config.hostname, "b");
        assert_eq!(config.image_dir, Path::new("/srv/shoal/images"));
        assert_eq!(config.socket, Path::new("/run/shoal/shoal.sock"));
        assert_eq!(log_level, "debug");
    }

    #[test]
    fn an_unknown_key_is_named() {
        let error = with_file("data_dir = \"/srv\"", DaemonArgs::default()).unwrap_err();
        let text = format!("{error}: {}", std::error::Error::source(&error).unwrap());
        assert!(text.contains("data_dir") && text.contains("data-dir"), "{text}");
    }

    #[test]
    fn a_missing_file_that_was_named_is_an_error() {
        let args = DaemonArgs { config: Some("/nonexistent/config.toml".into()), ..DaemonArgs::default() };
        assert!(settings(args).unwrap_err().to_string().contains("/nonexistent/config.toml"));
    }
}
