//! Whether assignments arrive whole: a full set first, then each change exactly once.

use super::Assignments;

/// Follows the sequence numbers of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) enum Sequence {
    /// Nothing came yet.
    #[default]
    Waiting,
    /// Everything up to this number was taken.
    At(u64),
    /// Something was missed: the session is to end and nothing more of it counts.
    Broken,
}

/// What to do with assignments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    Apply,
    /// They were taken before, or come after a gap that was already noticed.
    Ignore,
    Resync,
}

impl Sequence {
    /// Whether the managers' wishes are known.
    pub(super) fn is_synced(self) -> bool {
        matches!(self, Sequence::At(_))
    }

    pub(super) fn judge(&mut self, next: &Assignments) -> Verdict {
        match *self {
            Sequence::Broken => Verdict::Ignore,
            Sequence::At(last) if next.sequence <= last => Verdict::Ignore,
            Sequence::At(last) if next.full || next.sequence == last + 1 => self.apply(next),
            Sequence::Waiting if next.full => self.apply(next),
            Sequence::At(_) | Sequence::Waiting => {
                *self = Sequence::Broken;
                Verdict::Resync
            }
        }
    }

    fn apply(&mut self, next: &Assignments) -> Verdict {
        *self = Sequence::At(next.sequence);
        Verdict::Apply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge_all(messages: &[(bool, u64)]) -> Vec<Verdict> {
        let mut session = Sequence::default();
        let judge = |&(full, sequence)| session.judge(&Assignments { full, sequence, ..Default::default() });
        messages.iter().map(judge).collect()
    }

    #[test]
    fn a_full_set_and_its_changes_are_taken_once() {
        use Verdict::*;
        assert_eq!(
            judge_all(&[(true, 7), (false, 8), (false, 8), (true, 7), (false, 9)]),
            [Apply, Apply, Ignore, Ignore, Apply]
        );
    }

    #[test]
    fn a_gap_asks_once_for_a_new_session() {
        use Verdict::*;
        assert_eq!(
            judge_all(&[(true, 1), (false, 3), (false, 4), (true, 5)]),
            [Apply, Resync, Ignore, Ignore]
        );
        assert_eq!(judge_all(&[(false, 1), (true, 2)]), [Resync, Ignore], "a change before the full set");
    }
}
