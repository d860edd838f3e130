//! Which statuses the managers have yet to be told: batched, newest only, until they are acknowledged.

use super::Report;
use proto::model::{TaskId, TaskState, TaskStatus};
use std::{collections::BTreeSet, time::Duration};

/// How far apart reports are, so that what happens meanwhile shares one.
pub const REPORT_INTERVAL: Duration = Duration::from_millis(100);

/// How far urgent reports may run ahead of that: three of them follow another at once.
const AHEAD: Duration = Duration::from_millis(300);

/// How many tasks one report names at most; so many waiting are reported without delay. Even with long
/// error texts this stays below the 4 MiB of a gRPC message.
pub const REPORT_TASKS_MAX: usize = 500;

/// How long to wait for an acknowledgement before the report is sent again.
const ACK_TIMEOUT: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Reports {
    /// Tasks whose newest status has not been sent.
    waiting: BTreeSet<TaskId>,
    /// Whether clients or a rollout wait for what one of them has to say.
    is_urgent: bool,
    unacked: Option<Unacked>,
    sent_at: Option<Duration>,
    /// When as many reports as were sent would have been, had they kept their distance: the generic cell rate algorithm's
    /// theoretical arrival time (ITU-T I.371).
    paid_until: Duration,
    sequence: u64,
}

#[derive(Debug)]
struct Unacked {
    sequence: u64,
    tasks: BTreeSet<TaskId>,
    give_up_at: Duration,
}

impl Reports {
    /// Notes that a task has something to report. What runs or is over is urgent, what is on its way is not.
    pub(super) fn add(&mut self, task: TaskId, state: TaskState) {
        self.waiting.insert(task);
        self.is_urgent |= state >= TaskState::Running;
    }

    /// Notes that the managers want to hear nothing of a task any more.
    pub(super) fn forget(&mut self, task: TaskId) {
        self.waiting.remove(&task);
        if let Some(unacked) = &mut self.unacked {
            unacked.tasks.remove(&task);
        }
    }

    /// Takes an acknowledgement. One of an older report says nothing about the last one.
    pub(super) fn acked(&mut self, sequence: u64) {
        self.unacked = self.unacked.take().filter(|unacked| unacked.sequence != sequence);
    }

    /// Puts back what was sent and not acknowledged: the session it was sent in is over.
    pub(super) fn resend(&mut self) {
        if let Some(unacked) = self.unacked.take() {
            self.waiting.extend(unacked.tasks);
        }
        self.sent_at = None;
    }

    /// When [`due`](Self::due) has something next, if nothing else happens.
    pub(super) fn deadline(&self) -> Option<Duration> {
        match (&self.unacked, self.sent_at) {
            (Some(unacked), _) => Some(unacked.give_up_at),
            (None, _) if self.waiting.is_empty() => None,
            (None, Some(_)) if self.waiting.len() >= REPORT_TASKS_MAX => Some(Duration::ZERO),
            (None, None) => Some(Duration::ZERO),
            (None, Some(_)) if self.is_urgent => Some(self.paid_until.saturating_sub(AHEAD)),
            (None, Some(at)) => Some(at.saturating_add(REPORT_INTERVAL)),
        }
    }

    /// The report to send now, if it is time for one. There is at most one without an answer.
    pub(super) fn due(
        &mut self,
        now: Duration,
        status: impl Fn(TaskId) -> Option<TaskStatus>,
    ) -> Option<Report> {
        if self.deadline().is_none_or(|deadline| now < deadline) {
            return None;
        }
        self.resend();
        let mut tasks = Vec::new();
        while let Some(task) = self.waiting.pop_first() {
            tasks.extend(status(task).map(|status| (task, status)));
            if tasks.len() == REPORT_TASKS_MAX {
                break;
            }
        }
        if tasks.is_empty() {
            return None;
        }
        self.sequence += 1;
        self.sent_at = Some(now);
        self.paid_until = self.paid_until.max(now).saturating_add(REPORT_INTERVAL);
        self.is_urgent &= !self.waiting.is_empty();
        self.unacked = Some(Unacked {
            sequence: self.sequence,
            tasks: tasks.iter().map(|(task, _)| *task).collect(),
            give_up_at: now.saturating_add(ACK_TIMEOUT),
        });
        Some(Report { sequence: self.sequence, tasks })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::Timestamp;

    const ON_ITS_WAY: TaskState = TaskState::Preparing;

    fn task(number: usize) -> TaskId {
        TaskId::from_bits(number as u128)
    }

    fn due(reports: &mut Reports, at_ms: u64) -> Option<(u64, usize)> {
        let report = reports.due(Duration::from_millis(at_ms), |_| Some(TaskStatus::new(Timestamp(0))))?;
        Some((report.sequence, report.tasks.len()))
    }

    #[test]
    fn what_happens_within_the_interval_shares_a_report() {
        let mut reports = Reports::default();
        reports.add(task(1), ON_ITS_WAY);
        assert_eq!(due(&mut reports, 1000), Some((1, 1)), "the first one waits for nothing");
        reports.acked(1);
        reports.add(task(2), ON_ITS_WAY);
        reports.add(task(3), ON_ITS_WAY);
        reports.add(task(2), ON_ITS_WAY);
        assert_eq!(due(&mut reports, 1099), None);
        assert_eq!(reports.deadline(), Some(Duration::from_millis(1100)));
        assert_eq!(due(&mut reports, 1100), Some((2, 2)));
    }

    #[test]
    fn a_task_that_runs_is_reported_at_once_and_many_that_do_share_reports() {
        let mut reports = Reports::default();
        reports.add(task(1), ON_ITS_WAY);
        assert_eq!(due(&mut reports, 1000), Some((1, 1)));
        for (sequence, at_ms) in [(2, 1005), (3, 1010), (4, 1015)] {
            reports.acked(sequence - 1);
            reports.add(task(1), TaskState::Running);
            assert_eq!(due(&mut reports, at_ms), Some((sequence, 1)), "at {at_ms} ms");
        }
        reports.acked(4);
        reports.add(task(1), TaskState::Running);
        assert_eq!(due(&mut reports, 1099), None, "four were sent in one interval");
        assert_eq!(due(&mut reports, 1100), Some((5, 1)));
        reports.acked(5);
        reports.add(task(1), ON_ITS_WAY);
        assert_eq!(due(&mut reports, 1199), None, "nothing urgent is left");
        assert_eq!(due(&mut reports, 1200), Some((6, 1)));
    }

    #[test]
    fn an_unacknowledged_report_is_sent_again() {
        let mut reports = Reports::default();
        reports.add(task(1), ON_ITS_WAY);
        due(&mut reports, 0);
        reports.add(task(2), ON_ITS_WAY);
        assert_eq!(due(&mut reports, 4999), None, "one at a time");
        assert_eq!(due(&mut reports, 5000), Some((2, 2)));
        reports.acked(1);
        assert_eq!(due(&mut reports, 10_000), Some((3, 2)), "the late answer was to another report");
        reports.acked(3);
        assert_eq!(reports.deadline(), None);
    }

    #[test]
    fn a_new_session_gets_what_the_old_one_did_not_acknowledge() {
        let mut reports = Reports::default();
        reports.add(task(1), ON_ITS_WAY);
        due(&mut reports, 0);
        reports.resend();
        assert_eq!(due(&mut reports, 1), Some((2, 1)));
    }

    #[test]
    fn many_statuses_go_out_in_several_reports_without_delay() {
        let mut reports = Reports::default();
        (0..2 * REPORT_TASKS_MAX).for_each(|number| reports.add(task(number), ON_ITS_WAY));
        assert_eq!(due(&mut reports, 0), Some((1, REPORT_TASKS_MAX)));
        reports.acked(1);
        assert_eq!(due(&mut reports, 1), Some((2, REPORT_TASKS_MAX)));
    }

    #[test]
    fn a_forgotten_task_is_not_reported() {
        let mut reports = Reports::default();
        reports.add(task(1), ON_ITS_WAY);
        reports.add(task(2), ON_ITS_WAY);
        due(&mut reports, 0);
        reports.forget(task(1));
        reports.resend();
        assert_eq!(due(&mut reports, 1), Some((2, 1)));
    }
}
