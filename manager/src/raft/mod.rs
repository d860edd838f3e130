//! openraft's outside: its types, the state machine it drives, and its conversations between managers.

mod address_book;
mod contacts;
mod network;
mod service;
mod settings;
mod state_machine;
mod types;

pub use address_book::AddressBook;
pub use contacts::Contacts;
pub use network::Network;
pub use service::RaftService;
pub use settings::{ELECTION_MS, settings};
pub use state_machine::{Feed, StateMachine};
pub use types::{Batch, Entry, EntryResults, Member, Raft, RaftId, TypeConfig, raft_id_of};
