//! Why a task cannot have a namespace, an address or a port.

use thiserror::Error;

use super::names::{NameError, TaskShort};
use super::ports::PortKey;

/// Why a task cannot have what it asked for.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum LedgerError {
    /// The task's id cannot be part of a name.
    #[error(transparent)]
    Name(#[from] NameError),
    /// Two tasks would share every name in the kernel.
    #[error("task {task} shares the short id {short} with task {holder}: remove one of them")]
    ShortTaken {
        /// The task that asked.
        task: String,
        /// What both ids start with.
        short: TaskShort,
        /// The task that has it.
        holder: String,
    },
    /// All addresses are leased.
    #[error(
        "task {task} gets no address: all {size} of {subnet} are leased: have other nodes run some of the tasks"
    )]
    Exhausted {
        /// The task that asked.
        task: String,
        /// The subnet.
        subnet: String,
        /// How many addresses it has for containers.
        size: u32,
    },
    /// A task that was attached before has addresses the configured subnets do not give.
    #[error(
        "task {task} holds {addresses}, which {subnet} does not give: restore the configured subnet or remove the task first"
    )]
    AddressForeign {
        /// The task that was attached before.
        task: String,
        /// Its addresses.
        addresses: String,
        /// The configured IPv4 subnet.
        subnet: String,
    },
    /// Two tasks claim one address.
    #[error("task {task} holds {addresses}, which another task holds too: remove one of them")]
    AddressTaken {
        /// The task that claims it second.
        task: String,
        /// Its addresses.
        addresses: String,
    },
    /// The task is attached in the other way already.
    #[error("task {task} is attached already, {held}: detach it first")]
    OtherKind {
        /// The task that asked.
        task: String,
        /// What it has.
        held: &'static str,
    },
    /// The task holds nothing.
    #[error("task {task} is not attached: attach it before it publishes ports")]
    Unknown {
        /// The task that asked.
        task: String,
    },
    /// A namespace without a link cannot be reached.
    #[error("task {task} has a loopback only and cannot publish ports: attach it to the network")]
    Unreachable {
        /// The task that asked.
        task: String,
    },
    /// Another task publishes the port.
    #[error("task {task} cannot publish {port}: task {holder} publishes it on this node")]
    PortTaken {
        /// The task that asked.
        task: String,
        /// The port.
        port: PortKey,
        /// The task that has it.
        holder: String,
    },
    /// One task lists a port twice.
    #[error("task {task} lists published port {port} twice: give each target a port of its own")]
    PortTwice {
        /// The task that asked.
        task: String,
        /// The port.
        port: PortKey,
    },
}
