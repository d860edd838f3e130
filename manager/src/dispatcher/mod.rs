//! Conversations with the agents: who is there, what each is told, what each reports.
//!
//! An agent keeps one session with the leader (other managers pass it on). A session ends with its
//! connection or with the leadership; the agent then opens another one and is told everything anew.

mod hub;
mod logs;
mod network_questions;
mod registration;
mod service;
mod session;
mod tables;

pub use hub::Hub;
pub use logs::{LogBroker, LogStream};
pub use network_questions::NetworkQuestions;
pub use service::DispatcherService;
