//! Connections that were balanced to a backend which is none any more.

use super::rules::Rules;
use crate::network::Flow;

impl Flow {
    /// Tells whether the connection was balanced in a way in which it would not be any more. Forgetting it lets its next
    /// packet be balanced anew, to a backend that resets what it does not know.
    pub fn is_stale(&self, rules: &Rules) -> bool {
        let (destination, answerer) = (self.destination.ip(), self.answerer.ip());
        if rules.draining.contains(&answerer) {
            return false;
        }
        let ours = rules.sides.iter().any(|side| side.pool.contains(&destination));
        let lost = ours && destination != answerer && !rules.balances(destination, answerer);
        lost || rules.mesh.as_ref().is_some_and(|mesh| mesh.is_stale(self))
    }
}
