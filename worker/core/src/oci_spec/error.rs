//! Why a container can't be described.

use super::HOSTNAME_MAX;
use proto::model::signal::SignalError;

/// Says why a container can't be described.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SpecError {
    /// Neither the spec nor the image names a program.
    #[error("image `{image}` has neither an entrypoint nor a command; give the service one")]
    NoCommand {
        /// The image.
        image: String,
    },
    /// The program's name is empty.
    #[error("the program to run has an empty name; give a path or a name in PATH")]
    EmptyProgram,
    /// Not `NAME=value`.
    #[error("environment variable `{text}` has no name; write NAME=value")]
    Variable {
        /// What was given.
        text: String,
    },
    /// The kernel ends texts at a zero byte.
    #[error("{what} `{text}` contains a zero byte, which can't be passed to a program")]
    Nul {
        /// What it is.
        what: &'static str,
        /// What was given, with the byte shown as `\0`.
        text: String,
    },
    /// Not an absolute path.
    #[error("working directory `{path}` must be an absolute path, such as /srv")]
    Workdir {
        /// What was given.
        path: String,
    },
    /// Too long for the kernel, or not a host name.
    #[error(
        "host name `{name}` is not valid: use letters, digits, `-` and `.`, at most {HOSTNAME_MAX} characters"
    )]
    Hostname {
        /// What was given.
        name: String,
    },
    /// No such capability.
    #[error("`{name}` is not a capability: use a name such as NET_ADMIN, or ALL")]
    UnknownCapability {
        /// What was given.
        name: String,
    },
    /// The daemon does not have it, so it can't hand it on.
    #[error("capability {name} can't be added: this node's daemon does not have it itself")]
    CapabilityUnavailable {
        /// Its name.
        name: String,
    },
    /// The kernel lets only those with SYS_RESOURCE keep processes from being ended.
    #[error(
        "the score {score} for when memory runs out can't be set: below 0 this node's daemon needs the capability SYS_RESOURCE, which it does not have"
    )]
    OomScore {
        /// What was asked for.
        score: i32,
    },
    /// The image's stop signal is not one.
    #[error("the image's stop signal can't be used; give the service one")]
    ImageStopSignal {
        /// Why.
        #[source]
        source: SignalError,
    },
}
