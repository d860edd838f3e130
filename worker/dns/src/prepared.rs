//! Answers that were given before, put under the next query's id.

use std::collections::HashMap;
use std::sync::Arc;

use tokio::sync::watch;
use worker_core::dns::Names;

use crate::responder::Reuse;

/// The longest query whose answer is kept, in bytes: one with the longest name and EDNS has 282.
const QUERY_MAX: usize = 288;

/// How much is kept for one container, in bytes; when it is more, all of it is forgotten.
const KEPT_MAX: usize = 256 << 10;

/// What an entry takes besides query and answer, in bytes, about.
const ENTRY: usize = 96;

/// How long a message's id is, in bytes; it comes first.
const ID: usize = 2;

/// The answers that one container was given since its names last changed.
#[derive(Debug)]
pub(crate) struct Prepared {
    names: watch::Receiver<Arc<Names>>,
    /// By the query without its id: whatever else differs may matter.
    answers: HashMap<Box<[u8]>, Answer>,
    kept: usize,
}

/// One answer, and what of it changes from one query to the next beside the id.
#[derive(Debug)]
struct Answer {
    bytes: Box<[u8]>,
    /// Where its records are and how long each of them is, if they take turns.
    records: Option<Records>,
}

#[derive(Debug, Clone, Copy)]
struct Records {
    begin: usize,
    end: usize,
    each: usize,
}

impl Prepared {
    /// None yet; they hold as long as these names.
    pub(crate) fn new(names: watch::Receiver<Arc<Names>>) -> Self {
        Self { names, answers: HashMap::new(), kept: 0 }
    }

    /// Adds the answer to a query to `out`, if it was given before and still holds; `turn` as in [`Names::answer`].
    pub(crate) fn answer(&mut self, query: &[u8], turn: u64, out: &mut Vec<u8>) -> bool {
        // An error means that the names will not change any more.
        if self.names.has_changed().unwrap_or(false) {
            self.names.mark_unchanged();
            self.forget();
        }
        let Some((id, rest)) = query.split_at_checked(ID) else { return false };
        let Some(Answer { bytes, records }) = self.answers.get(rest) else { return false };
        out.extend_from_slice(id);
        match *records {
            None => out.extend_from_slice(&bytes[ID..]),
            Some(Records { begin, end, each }) => {
                let count = ((end - begin) / each) as u64;
                let first = begin + (turn % count) as usize * each;
                for part in [&bytes[ID..begin], &bytes[first..end], &bytes[begin..first], &bytes[end..]] {
                    out.extend_from_slice(part);
                }
            }
        }
        true
    }

    /// Keeps an answer for queries like this one.
    pub(crate) fn keep(&mut self, query: &[u8], answer: &[u8], reuse: Reuse) {
        let records = match reuse {
            Reuse::Never => return,
            Reuse::AsItIs => None,
            Reuse::InTurns { count, each, behind } => match records(answer, count, each, behind) {
                Some(records) => Some(records),
                None => return,
            },
        };
        if query.len() > QUERY_MAX || query.len() < ID {
            return;
        }
        let size = ENTRY + query.len() + answer.len();
        if self.kept + size > KEPT_MAX {
            self.forget();
        }
        self.kept += size;
        self.answers.insert(query[ID..].into(), Answer { bytes: answer.into(), records });
    }

    /// How many are kept.
    #[cfg(test)]
    pub(crate) fn len(&self) -> usize {
        self.answers.len()
    }

    fn forget(&mut self) {
        self.answers.clear();
        self.kept = 0;
    }
}

/// Where an answer has its records: at its end, but for what is `behind`. `None` if they are not all alike, and begin
/// with a reference to the question's name, which has no place of its own in them.
fn records(answer: &[u8], count: usize, each: usize, behind: usize) -> Option<Records> {
    let end = answer.len().checked_sub(behind)?;
    let begin = end.checked_sub(count * each)?;
    let are_alike = || answer[begin..end].chunks(each).all(|record| record.starts_with(&[0xc0, 12]));
    (count > 0 && begin > 12 && are_alike()).then_some(Records { begin, end, each })
}
