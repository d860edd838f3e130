//! Whether assignments arrive whole: a full set first, then each change exactly once.

/// Follows the sequence numbers of one session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Sequence {
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
pub enum Verdict {
    /// They are the next ones.
    Apply,
    /// They were taken before, or come after a gap that was already noticed.
    Ignore,
    /// There is a gap before them: a new session is to begin.
    Resync,
}

impl Sequence {
    /// Whether the managers' wishes are known.
    pub fn is_synced(self) -> bool {
        matches!(self, Sequence::At(_))
    }

    /// Takes the next assignments' number, and whether they are all there is.
    pub fn judge(&mut self, full: bool, sequence: u64) -> Verdict {
        match *self {
            Sequence::Broken => Verdict::Ignore,
            Sequence::At(last) if sequence <= last => Verdict::Ignore,
            Sequence::At(last) if full || sequence == last + 1 => self.apply(sequence),
            Sequence::Waiting if full => self.apply(sequence),
            Sequence::At(_) | Sequence::Waiting => {
                *self = Sequence::Broken;
                Verdict::Resync
            }
        }
    }

    fn apply(&mut self, sequence: u64) -> Verdict {
        *self = Sequence::At(sequence);
        Verdict::Apply
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn judge_all(messages: &[(bool, u64)]) -> Vec<Verdict> {
        let mut session = Sequence::default();
        let judge = |&(full, sequence)| session.judge(full, sequence);
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
