//! What a loop answers: transactions to propose, and when to ask it again.

use crate::state::{Change, Expect, ObjectId, Transaction};
use proto::model::{Service, Timestamp};

/// The most changes in one transaction, so that a log entry stays small.
pub const CHANGES_MAX: usize = 1000;

/// What a loop wants done.
///
/// The transactions are proposed in order. A later one may rest on an earlier one, so at the first
/// refusal the others are dropped and the loops decide again.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Decision {
    /// What to propose, in this order.
    pub transactions: Vec<Transaction>,
    /// When there may be something to do though the state has not changed.
    pub wake_at: Option<Timestamp>,
}

impl Decision {
    /// Whether nothing is to be proposed.
    pub fn is_empty(&self) -> bool {
        self.transactions.is_empty()
    }

    /// Asks to be called again at that time, or earlier if something else asks for it.
    pub fn wake(&mut self, at: Timestamp) {
        self.wake_at = Some(self.wake_at.map_or(at, |before| before.min(at)));
    }

    /// Adds changes that belong together: they are never parted by the bound on a transaction's size.
    pub fn propose<C>(&mut self, expect: Option<Expect>, changes: C)
    where
        C: IntoIterator<Item = Change, IntoIter: ExactSizeIterator>,
    {
        let changes = changes.into_iter();
        if changes.len() == 0 {
            return;
        }
        let has_room = |last: &Transaction| last.changes.len() + changes.len() <= CHANGES_MAX;
        if !self.transactions.last().is_some_and(has_room) {
            self.transactions.push(Transaction::default());
        }
        let last = self.transactions.last_mut().expect("one was pushed if there was none");
        // Loops go through the services one by one, so the same expectation can only be the last one.
        if let Some(expect) = expect
            && last.expect.last() != Some(&expect)
        {
            last.expect.push(expect);
        }
        last.changes.extend(changes);
    }
}

/// Expects that nobody has updated, rolled back or removed the service meanwhile.
pub(crate) fn unchanged(service: &Service) -> Option<Expect> {
    Some(Expect { object: ObjectId::ServiceSpec(service.id), version: service.spec_version })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::TaskId;

    fn deletions(count: usize) -> Vec<Change> {
        (0..count).map(|n| Change::DeleteTask(TaskId::from_bits(n as u128))).collect()
    }

    #[test]
    fn changes_that_belong_together_stay_in_one_transaction() {
        let mut decision = Decision::default();
        decision.propose(None, deletions(CHANGES_MAX - 1));
        decision.propose(None, deletions(2));
        decision.propose(None, deletions(3));
        let sizes: Vec<_> =
            decision.transactions.iter().map(|transaction| transaction.changes.len()).collect();
        assert_eq!(sizes, [CHANGES_MAX - 1, 5]);
    }

    #[test]
    fn the_earliest_wish_to_be_woken_wins() {
        let mut decision = Decision::default();
        decision.wake(Timestamp(5));
        decision.wake(Timestamp(3));
        decision.wake(Timestamp(9));
        assert_eq!(decision.wake_at, Some(Timestamp(3)));
    }
}
