//! Connections that were balanced to a backend which is none any more.

use std::net::IpAddr;

use super::rules::Rules;

/// A connection as conntrack knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Flow {
    /// What the client speaks to.
    pub destination: IpAddr,
    /// Who answers.
    pub answerer: IpAddr,
}

impl Flow {
    /// Tells whether the connection was balanced in a way in which it would not be any more. Forgetting it lets its next
    /// packet be balanced anew, to a backend that resets what it does not know.
    pub fn is_stale(&self, rules: &Rules) -> bool {
        let ours = rules.sides.iter().any(|side| side.pool.contains(&self.destination));
        ours && self.destination != self.answerer && !rules.balances(self.destination, self.answerer)
    }
}
