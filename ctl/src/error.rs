//! Why a command failed, in one sentence that says what to do.

use crate::{
    client::{self, ConnectError},
    commands::image::SourceError,
    names::NameError,
    output::{network_check::NetworksDiffer, template::FormatError},
    printer::OutputError,
};
use proto::{model::Problems, wire::InfoResponse};
use std::{error::Error, fmt, io, path::PathBuf};
use tonic::{Code, Status};

/// Why a command failed.
#[derive(Debug, thiserror::Error)]
pub enum CliError {
    /// The options are wrong; nothing was sent.
    #[error("{}", all_problems(.0))]
    Options(Problems),
    /// No daemon can be reached.
    #[error(transparent)]
    Connect(#[from] ConnectError),
    /// The cluster refused, once or for several objects.
    #[error("{}", explained(.0))]
    Cluster(Vec<Status>),
    /// The cluster can't be asked through this node.
    #[error("{0}")]
    NotHere(String),
    /// This node's daemon refused, once or for several objects.
    #[error("{}", explained(.0))]
    Node(Vec<Status>),
    /// `--format` can't be carried out.
    #[error(transparent)]
    Format(#[from] FormatError),
    /// An answer can't be shown.
    #[error("the daemon's answer can't be shown as JSON")]
    Json(#[from] serde_json::Error),
    /// Standard output is gone.
    #[error(transparent)]
    Output(#[from] OutputError),
    /// No name could be made up.
    #[error(transparent)]
    Name(#[from] NameError),
    /// An archive can't be read.
    #[error(transparent)]
    Source(#[from] SourceError),
    /// The service did not become what was asked for.
    #[error(transparent)]
    NotConverged(#[from] NotConverged),
    /// A job failed.
    #[error(transparent)]
    Job(#[from] JobFailed),
    /// Services of a stack did not become what was asked for.
    #[error(transparent)]
    StackNotConverged(#[from] StackNotConverged),
    /// Compose files are wrong; nothing was sent.
    #[error(transparent)]
    Compose(#[from] ComposeErrors),
    /// No Compose file is named, and none is where one would be.
    #[error("there is no compose.yaml or docker-compose.yml in {folder}: name the file with -c FILE")]
    NoComposeFile {
        /// The folder.
        folder: String,
    },
    /// A deployment would change something.
    #[error("the stack is not as its files say")]
    StackDiffers,
    /// The machine lacks something.
    #[error(transparent)]
    Unfit(#[from] preflight::Unfit),
    /// Networks are not as they should be.
    #[error(transparent)]
    Networks(#[from] NetworksDiffer),
    /// This program can't be started or found.
    #[error("cannot start")]
    Program(#[source] io::Error),
    /// The configuration file can't be read.
    #[error("cannot read the configuration file `{path}`")]
    ReadConfig {
        /// The file.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The configuration file is wrong.
    #[error("the configuration file `{path}` is not valid")]
    Config {
        /// The file.
        path: PathBuf,
        /// Where and why.
        #[source]
        source: Box<toml::de::Error>,
    },
    /// The daemon can't run.
    #[error(transparent)]
    Daemon(::daemon::DaemonError),
    /// The development cluster can't be brought up or down.
    #[error(transparent)]
    Dev(#[from] Box<dev_cluster::Error>),
    /// A question was answered with no.
    #[error("nothing was changed: answer with y, or give --force to be asked no question")]
    Declined,
    /// The answer to a question can't be read.
    #[error("cannot read the answer from standard input; give --force to be asked no question")]
    Answer(#[source] io::Error),
    /// Ctrl-C can't be listened for.
    #[error("cannot listen for Ctrl-C")]
    Signal(#[source] io::Error),
}

/// A service that did not become what was asked for.
#[derive(Debug, thiserror::Error)]
pub struct NotConverged {
    /// Its name.
    pub service: String,
    /// What went wrong.
    pub reason: String,
    /// The end of the log of the task that shows it best.
    pub log: Vec<String>,
}

impl fmt::Display for NotConverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { service, reason, log } = self;
        write!(f, "service {service} is not as asked for: {reason}")?;
        if !log.is_empty() {
            write!(f, "\nthe end of the task's log:")?;
            log.iter().try_for_each(|line| write!(f, "\n    {line}"))?;
        }
        write!(f, "\nsee 'shoal service ps --no-trunc {service}' for every task")
    }
}

/// Services of a stack that did not become what was asked for.
#[derive(Debug, thiserror::Error)]
pub struct StackNotConverged {
    /// The stack's name.
    pub stack: String,
    /// The services, with the reasons.
    pub services: Vec<NotConverged>,
}

impl fmt::Display for StackNotConverged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "stack {} is not as asked for:", self.stack)?;
        self.services.iter().try_for_each(|service| write!(f, "\n{service}"))
    }
}

/// Everything that is wrong with Compose files.
#[derive(Debug, thiserror::Error)]
pub struct ComposeErrors(pub Vec<compose::Finding>);

impl fmt::Display for ComposeErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [one] => write!(f, "{one}"),
            all => {
                write!(f, "the Compose files have {} errors:", all.len())?;
                all.iter().try_for_each(|finding| write!(f, "\n  {finding}"))
            }
        }
    }
}

impl From<Problems> for CliError {
    fn from(problems: Problems) -> Self {
        CliError::Options(problems)
    }
}

impl CliError {
    /// What the cluster answered to one call.
    pub fn cluster(status: Status) -> Self {
        CliError::Cluster(vec![status])
    }

    /// What this node's daemon answered to one call.
    pub fn node(status: Status) -> Self {
        CliError::Node(vec![status])
    }

    /// The status the process ends with: 2 if the command was written wrong, else 1. A reader that
    /// closed our output has what it wanted.
    pub fn exit_status(&self) -> u8 {
        match self {
            CliError::Options(_)
            | CliError::Format(_)
            | CliError::Compose(_)
            | CliError::NoComposeFile { .. }
            | CliError::Connect(ConnectError::Host(_)) => 2,
            CliError::Job(failed) => failed.code,
            CliError::Output(OutputError(error)) if error.kind() == io::ErrorKind::BrokenPipe => 0,
            _ => 1,
        }
    }

    /// The sentence with its causes.
    pub fn report(&self) -> String {
        let mut text = self.to_string();
        let mut cause = self.source();
        while let Some(error) = cause {
            text += &format!(": {error}");
            cause = error.source();
        }
        text
    }

    /// Whether what this node is may explain the refusal better than the answer does.
    pub fn may_be_about_this_node(&self) -> bool {
        let CliError::Cluster(statuses) = self else { return false };
        statuses.iter().any(|status| {
            matches!(status.code(), Code::Unimplemented | Code::FailedPrecondition | Code::Unavailable)
        })
    }

    /// Explains the refusal by what this node is, if that is the reason.
    pub fn with_info(self, info: &InfoResponse) -> Self {
        match client::why_not_here(info) {
            Some(reason) if self.may_be_about_this_node() => CliError::NotHere(reason),
            _ => self,
        }
    }
}

/// Says that a job that was waited for has failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("job {job} failed: {reason}; see 'shoal service ps --no-trunc {job}' for every task")]
pub struct JobFailed {
    /// Its name.
    pub job: String,
    /// Why.
    pub reason: String,
    /// The exit code of a task that failed, else 1.
    pub code: u8,
}

fn all_problems(problems: &Problems) -> String {
    match problems.0.as_slice() {
        [one] => format!("{}: {}", one.field, one.message),
        all => {
            let lines = all.iter().map(|problem| format!("\n  {}: {}", problem.field, problem.message));
            format!("{} options are wrong:{}", all.len(), lines.collect::<String>())
        }
    }
}

fn explained(statuses: &[Status]) -> String {
    statuses.iter().map(explain).collect::<Vec<_>>().join("\n")
}

/// What a refusal means and what to do about it.
fn explain(status: &Status) -> String {
    let message = status.message().trim();
    let broken = status.source().is_some_and(|source| source.is::<tonic::transport::Error>());
    match status.code() {
        _ if broken => "the daemon closed the connection: see 'journalctl -u shoal' and try again".into(),
        Code::InvalidArgument if message.contains('\n') => {
            let lines: String = message.lines().map(|line| format!("\n  {line}")).collect();
            format!("the managers refuse this:{lines}")
        }
        Code::Unavailable => {
            format!("{message} (a cluster answers only while more than half of its managers are online)")
        }
        Code::Unimplemented => {
            format!("the daemon does not know this call; is it older than this program? {message}")
        }
        _ if message.is_empty() => status.code().description().to_owned(),
        _ => message.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::wire::{ManagerAddr, Role};

    fn info(state: &str, role: Role) -> InfoResponse {
        let managers = vec![ManagerAddr { addr: "10.0.0.1:2377".into(), ..Default::default() }];
        InfoResponse { state: state.into(), role: role.into(), managers, ..Default::default() }
    }

    #[test]
    fn several_problems_are_told_together() {
        let mut problems = Problems::default();
        problems.add("--replicas", "`x` is not a count");
        let one = CliError::from(problems.clone());
        assert_eq!((one.report().as_str(), one.exit_status()), ("--replicas: `x` is not a count", 2));
        problems.add("--mode", "`y` is not one of the choices");
        let two = CliError::from(problems).report();
        assert_eq!(
            two,
            "2 options are wrong:\n  --replicas: `x` is not a count\n  --mode: `y` is not one of the choices"
        );
    }

    #[test]
    fn what_the_managers_refuse_is_told_line_by_line() {
        let refused =
            CliError::cluster(Status::invalid_argument("name: too long\nports: ingress is not there yet"));
        assert_eq!(
            refused.report(),
            "the managers refuse this:\n  name: too long\n  ports: ingress is not there yet"
        );
        assert_eq!(refused.exit_status(), 1);
        let missing = Status::not_found("service web not found");
        let several = CliError::Cluster(vec![missing.clone(), missing]);
        assert_eq!(several.report(), "service web not found\nservice web not found");
    }

    #[test]
    fn a_node_that_is_no_manager_explains_the_refusal() {
        let refused = || CliError::cluster(Status::failed_precondition("not a manager"));
        let report = |info| refused().with_info(&info).report();
        assert!(report(info("inactive", Role::Unspecified)).contains("shoal swarm init"));
        assert!(
            report(info("active", Role::Worker))
                .contains("this node is a worker: run this on a manager (10.0.0.1:2377)")
        );
        assert_eq!(report(info("active", Role::Manager)), "not a manager");
        let missing = CliError::cluster(Status::not_found("no such service"));
        assert_eq!(missing.with_info(&info("active", Role::Worker)).report(), "no such service");
    }

    #[test]
    fn a_closed_output_is_no_failure() {
        let closed = CliError::Output(OutputError(io::Error::from(io::ErrorKind::BrokenPipe)));
        assert_eq!(closed.exit_status(), 0);
    }

    #[test]
    fn a_service_that_does_not_converge_shows_the_log() {
        let error =
            NotConverged { service: "web".into(), reason: "web.1 failed".into(), log: vec!["boom".into()] };
        let expected = "service web is not as asked for: web.1 failed\nthe end of the task's log:\n    boom\n\
                        see 'shoal service ps --no-trunc web' for every task";
        assert_eq!(error.to_string(), expected);
    }
}
