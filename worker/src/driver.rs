//! Drives the agent: tells it what happens, and does what it wants, in the order it needs.

use crate::{
    board::Board,
    executor::{Executor, blocking},
    ledger::{Ledger, LedgerError},
    session::{Incoming, Line},
};
use proto::model::{TaskId, Timestamp};
use std::{
    future::Future,
    time::{Duration, SystemTime, UNIX_EPOCH},
};
use tokio::{
    sync::mpsc,
    time::{Instant, sleep_until},
};
use tracing::{info, warn};
use worker_core::agent::{Action, Agent, Event, LedgerChange, Now, Outcome};

/// Events taken together at most: what they change is written to the ledger at once.
const EVENTS_MAX: usize = 256;

/// Why the loop ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ended {
    /// It was told to.
    Stopped,
    /// Everything of the node was removed.
    Cleared,
}

/// The agent with everything that carries out what it decides.
pub(crate) struct Driver {
    pub agent: Agent,
    pub executor: Executor,
    pub ledger: Ledger,
    pub board: Board,
    pub clock: Clock,
    /// From the managers.
    pub incoming: mpsc::Receiver<Incoming>,
    /// From the executor.
    pub outcomes: mpsc::Receiver<(TaskId, Outcome)>,
    /// From whoever lets the node leave.
    pub clear: mpsc::Receiver<()>,
    /// The way to the managers, while there is one.
    pub line: Option<Line>,
}

/// Time as the agent wants it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Clock(Instant);

impl Clock {
    /// Begins to count now.
    pub(crate) fn start() -> Self {
        Self(Instant::now())
    }

    pub(crate) fn now(self) -> Now {
        // A clock before 1970 is wrong anyway.
        let wall = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let millis = i64::try_from(wall.as_millis()).unwrap_or(i64::MAX);
        Now { wall: Timestamp(millis), elapsed: self.0.elapsed() }
    }

    fn at(self, elapsed: Duration) -> Instant {
        // Far enough for a wait that has no end.
        self.0.checked_add(elapsed).unwrap_or_else(|| Instant::now() + Duration::from_secs(3600))
    }
}

impl Driver {
    /// Works until told to stop, or until everything of the node is removed after a wish to clear it.
    /// Begins with what is to be done at once. Ends with an error if the ledger can't be written.
    pub(crate) async fn run(
        mut self,
        first: Vec<Action>,
        stop: impl Future<Output = ()>,
    ) -> Result<(Ended, Executor), LedgerError> {
        tokio::pin!(stop);
        self.perform(first).await?;
        let mut clearing = false;
        loop {
            if clearing && self.agent.is_empty() {
                return Ok((Ended::Cleared, self.executor));
            }
            // Each arm takes at most one message and is done with that, so none loses anything.
            let mut actions = tokio::select! {
                Some(incoming) = self.incoming.recv() => self.take(incoming),
                Some((task, outcome)) = self.outcomes.recv() => self.tell(Event::Step { task, outcome }),
                () = Self::wait(self.clock, self.agent.deadline()) => self.tell(Event::Tick),
                Some(()) = self.clear.recv() => {
                    info!("clearing the node");
                    clearing = true;
                    self.tell(Event::Clear)
                }
                () = &mut stop => return Ok((Ended::Stopped, self.executor)),
            };
            self.take_waiting(&mut actions);
            self.perform(actions).await?;
        }
    }

    async fn wait(clock: Clock, deadline: Option<Duration>) {
        match deadline {
            Some(elapsed) => sleep_until(clock.at(elapsed)).await,
            None => std::future::pending().await,
        }
    }

    /// Takes what else has happened by now.
    fn take_waiting(&mut self, actions: &mut Vec<Action>) {
        for _ in 0..EVENTS_MAX {
            if let Ok((task, outcome)) = self.outcomes.try_recv() {
                actions.extend(self.tell(Event::Step { task, outcome }));
            } else if let Ok(incoming) = self.incoming.try_recv() {
                actions.extend(self.take(incoming));
            } else {
                return;
            }
        }
    }

    fn take(&mut self, incoming: Incoming) -> Vec<Action> {
        let event = match incoming {
            Incoming::Up(line) => {
                self.line = Some(line);
                Event::SessionUp
            }
            Incoming::Told(event) => event,
        };
        if event == Event::SessionDown {
            self.line = None;
        }
        self.tell(event)
    }

    fn tell(&mut self, event: Event) -> Vec<Action> {
        self.agent.handle(event, self.clock.now())
    }

    async fn perform(&mut self, actions: Vec<Action>) -> Result<(), LedgerError> {
        let mut changes: Vec<LedgerChange> = Vec::new();
        let mut others = Vec::new();
        for action in actions {
            match action {
                Action::Persist(change) => changes.push(change),
                other => others.push(other),
            }
        }
        if !changes.is_empty() {
            let ledger = self.ledger.clone();
            blocking(move || ledger.apply(&changes)).await?;
        }
        self.board.show(&self.agent);
        others.into_iter().for_each(|action| self.perform_one(action));
        Ok(())
    }

    fn perform_one(&mut self, action: Action) {
        match action {
            Action::Persist(_) => unreachable!("taken out before"),
            Action::Prepare(task) => self.executor.prepare(task),
            Action::Start(task) => self.executor.start(task),
            Action::AwaitListening(task) => self.executor.await_listening(task),
            Action::Probe(task) => self.executor.probe(task),
            Action::Drain(task) => self.executor.drain(task),
            Action::Connect(task) => self.executor.connect(task),
            Action::Stop(task) => self.executor.stop(task),
            Action::Kill(task) => self.executor.kill(task),
            Action::Remove(task) => self.executor.remove(task),
            Action::Report(report) => self.line.iter().for_each(|line| line.report(&report)),
            Action::Resync => {
                warn!("assignments were missed, beginning a new session");
                self.line.iter().for_each(Line::end);
            }
        }
    }
}
