//! What a leader does: it writes proposals to the log, one entry after the other, and makes passes
//! over the state, as the manager's shell does.

use super::{
    dispatcher::Session,
    group::Batch,
    happening::Happening,
    network::{ConnectionId, MemberNo},
    requests::RequestId,
    world::World,
};
use crate::invariants::plan_rests;
use manager_core::{
    liveness::{Contact, Liveness},
    network_news::NetworkNews,
    reconcile,
    state::{Event, Refusal},
};
use proto::model::{NodeId, Timestamp};
use std::{collections::BTreeMap, time::Duration};

/// How long whoever proposes something waits for it to be committed.
const PROPOSAL_TIME_MAX: Duration = Duration::from_secs(10);

/// After a plan that was refused.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// How often a leader tries to get an entry to a majority that it does not reach.
const REPLICATION_RETRY: Duration = Duration::from_millis(100);

/// A leadership, from winning the election to hearing of the next one.
#[derive(Debug)]
pub struct Leading {
    /// Its number.
    pub term: u64,
    /// Since when, by the leader's clock.
    since: Timestamp,
    /// Whether it has applied what was committed before it.
    pub ready: bool,
    /// What it heard of each node.
    pub contacts: BTreeMap<NodeId, Contact>,
    /// The session that counts for each node.
    pub current: BTreeMap<NodeId, ConnectionId>,
    /// The sessions that are open.
    pub sessions: BTreeMap<ConnectionId, Session>,
    /// What nodes are to know of networks, and what is held until they do.
    pub news: NetworkNews,
    writing: Option<Writing>,
    waiting: Vec<Proposal>,
    /// Who waits for what, until it is answered or given up.
    tickets: BTreeMap<u64, Waiter>,
    drawn: u64,
    /// Whether a plan is being written.
    planning: bool,
    decide_is_due: bool,
    passes: u64,
}

#[derive(Debug)]
struct Proposal {
    ticket: u64,
    batch: Batch,
}

/// The entry that is on its way to the other managers.
#[derive(Debug)]
struct Writing {
    entry: u64,
    proposals: Vec<Proposal>,
    /// Whether the next leader may still find it and commit it.
    undecided: bool,
}

/// Whoever waits for a proposal.
#[derive(Debug, Clone, Copy)]
pub enum Waiter {
    /// The leader's own loop.
    Plan,
    /// A node that registers.
    Registration(ConnectionId),
    /// A node that reported.
    Report {
        /// Its session.
        connection: ConnectionId,
        /// What is acknowledged.
        sequence: u64,
    },
    /// A person.
    Request(RequestId),
}

/// What came of a proposal.
#[derive(Debug, Clone)]
pub enum Answer {
    /// It is made.
    Committed,
    /// The state did not allow it.
    Refused(Refusal),
    /// Another manager leads. The next leader may make it nevertheless.
    NotLeader,
    /// It may be made later.
    Unconfirmed,
}

impl Leading {
    /// A leadership that begins.
    pub fn new(term: u64, since: Timestamp) -> Self {
        Self {
            term,
            since,
            ready: false,
            contacts: BTreeMap::new(),
            current: BTreeMap::new(),
            sessions: BTreeMap::new(),
            news: NetworkNews::default(),
            writing: None,
            waiting: Vec::new(),
            tickets: BTreeMap::new(),
            drawn: 0,
            planning: false,
            decide_is_due: false,
            passes: 0,
        }
    }

    fn draw(&mut self) -> u64 {
        self.drawn += 1;
        self.drawn
    }

    /// Takes out the entry that may or may not have got to other managers.
    pub(super) fn take_undecided(&mut self) -> Option<Vec<Batch>> {
        let writing = self.writing.as_mut().filter(|writing| writing.undecided)?;
        writing.undecided = false;
        Some(writing.proposals.iter().map(|proposal| proposal.batch.clone()).collect())
    }

    /// Everyone who still waits.
    pub(super) fn take_waiters(&mut self) -> Vec<Waiter> {
        std::mem::take(&mut self.tickets).into_values().collect()
    }
}

impl World {
    /// A manager's leadership, if it has one.
    pub(super) fn leading(&mut self, member: MemberNo) -> Option<&mut Leading> {
        self.group.members[member].leading.as_mut()
    }

    /// A manager's leadership of a certain term.
    pub(super) fn leading_in(&mut self, member: MemberNo, term: u64) -> Option<&mut Leading> {
        self.leading(member).filter(|leading| leading.term == term)
    }

    /// Proposes a batch on a leader; the waiter is answered once.
    pub(super) fn propose(&mut self, member: MemberNo, batch: Batch, waiter: Waiter) {
        let Some(leading) = self.leading(member) else { return };
        let (ticket, term) = (leading.draw(), leading.term);
        leading.tickets.insert(ticket, waiter);
        leading.waiting.push(Proposal { ticket, batch });
        // The leader's own plan is waited for until the leadership ends: were it given up and made
        // anew while it may still be committed, there would be two of it.
        if !matches!(waiter, Waiter::Plan) {
            self.after(PROPOSAL_TIME_MAX, Happening::Unconfirmed { member, term, ticket });
        }
        self.write_next(member);
    }

    /// Writes the next entry if none is under way; all that waits goes into it.
    fn write_next(&mut self, member: MemberNo) {
        let delay = self.disk_delay();
        let Some(leading) = self.leading(member) else { return };
        if leading.writing.is_some() || leading.waiting.is_empty() {
            return;
        }
        let (entry, term) = (leading.draw(), leading.term);
        let proposals = std::mem::take(&mut leading.waiting);
        leading.writing = Some(Writing { entry, proposals, undecided: true });
        self.after(delay, Happening::Replicated { member, term, entry });
    }

    /// Commits a leader's entry if a majority has it.
    pub(super) fn replicated(&mut self, member: MemberNo, term: u64, entry: u64) {
        let is_newest = term == self.group.term;
        let reached = is_newest && self.has_quorum(member);
        let Some(leading) = self.leading_in(member, term) else { return };
        let Some(writing) = leading.writing.take_if(|writing| writing.entry == entry && reached) else {
            return self.after(REPLICATION_RETRY, Happening::Replicated { member, term, entry });
        };
        let (tickets, batches): (Vec<u64>, Vec<Batch>) =
            writing.proposals.into_iter().map(|proposal| (proposal.ticket, proposal.batch)).unzip();
        let committed = self.commit(&batches, Some(member));
        let mut answers: Vec<_> = tickets.into_iter().zip(committed.results).collect();
        // Whoever is refused makes the request anew from a state in which the others' are done already,
        // so these are acknowledged first.
        answers.sort_by_key(|(_, result)| result.is_err());
        for (ticket, result) in answers {
            let answer = result.map_or_else(Answer::Refused, |()| Answer::Committed);
            self.answer_ticket(member, ticket, answer);
        }
        self.state_changed(member, &committed.events);
        self.write_next(member);
    }

    /// Answers whoever still waits for a proposal.
    fn answer_ticket(&mut self, member: MemberNo, ticket: u64, answer: Answer) {
        if let Some(waiter) = self.leading(member).and_then(|leading| leading.tickets.remove(&ticket)) {
            self.answer(member, waiter, answer);
        }
    }

    /// A caller has waited for long enough.
    pub(super) fn unconfirmed(&mut self, member: MemberNo, term: u64, ticket: u64) {
        if self.leading_in(member, term).is_some() {
            self.answer_ticket(member, ticket, Answer::Unconfirmed);
        }
    }

    fn answer(&mut self, member: MemberNo, waiter: Waiter, answer: Answer) {
        match waiter {
            Waiter::Plan => self.plan_answered(member, &answer),
            Waiter::Registration(connection) => self.registration_answered(member, connection, &answer),
            Waiter::Report { connection, sequence } => {
                self.report_answered(member, connection, sequence, &answer)
            }
            Waiter::Request(request) => self.request_answered(member, request, answer),
        }
    }

    fn state_changed(&mut self, member: MemberNo, events: &[Event]) {
        self.wake_sessions(member, events);
        self.decide_soon(member);
    }

    /// Has the leader make a pass before long, unless one is due already or its plan is being written.
    pub(super) fn decide_soon(&mut self, member: MemberNo) {
        let delay = self.rng.millis(0, 3);
        self.decide_after(member, delay);
    }

    fn decide_after(&mut self, member: MemberNo, delay: Duration) {
        let Some(leading) = self.leading(member) else { return };
        if leading.ready && !leading.planning && !leading.decide_is_due {
            leading.decide_is_due = true;
            let term = leading.term;
            self.after(delay, Happening::Decide { member, term });
        }
    }

    fn plan_answered(&mut self, member: MemberNo, answer: &Answer) {
        let Some(leading) = self.leading(member) else { return };
        leading.planning = false;
        let pause = if matches!(answer, Answer::Committed) { Duration::ZERO } else { RETRY_PAUSE };
        self.decide_after(member, pause);
    }

    /// A new leader has applied what was committed before, and begins.
    pub(super) fn leader_ready(&mut self, member: MemberNo, term: u64) {
        let confirmed = term == self.group.term && self.has_quorum(member);
        if self.leading_in(member, term).is_none() {
            return;
        }
        if !confirmed {
            return self.after(RETRY_PAUSE, Happening::LeaderReady { member, term });
        }
        // Those it was elected by may have committed nothing since, so it has everything.
        self.apply_log(member);
        let kept = self.promises.acknowledged.check(&self.group.members[member].state);
        self.must(kept);
        let since = self.clock_of(member);
        if let Some(leading) = self.leading_in(member, term) {
            (leading.ready, leading.since) = (true, since);
        }
        self.decide_soon(member);
    }

    /// A time that a pass asked for has come; one of an earlier pass does not count any more.
    pub(super) fn wake_leader(&mut self, member: MemberNo, term: u64, pass: u64) {
        if self.leading_in(member, term).is_some_and(|leading| leading.passes == pass) {
            self.decide_soon(member);
        }
    }

    /// Makes a pass and proposes what it decides.
    pub(super) fn decide(&mut self, member: MemberNo, term: u64) {
        let now = self.clock_of(member);
        let Some(leading) = self.leading_in(member, term) else { return };
        leading.decide_is_due = false;
        if leading.planning {
            return;
        }
        leading.passes += 1;
        let (pass, since) = (leading.passes, leading.since);
        let liveness = Liveness { leader_since: since, contacts: leading.contacts.clone() };
        let state = self.group.members[member].state.clone();
        let decision = reconcile::pass(&state, now, &mut self.ids, &liveness);
        if let Some(at) = decision.wake_at {
            self.after(at.since(now), Happening::Wake { member, term, pass });
        }
        if decision.is_empty() {
            return;
        }
        let changes: usize = decision.transactions.iter().map(|transaction| transaction.changes.len()).sum();
        self.note(format_args!("m{member} decides {changes} changes"));
        let kept = plan_rests::check(&state, now, &liveness, &decision, &mut self.ids);
        self.must(kept);
        if let Some(leading) = self.leading_in(member, term) {
            leading.planning = true;
        }
        self.propose(member, decision.transactions, Waiter::Plan);
    }

    /// A manager that led hears that it does not any more: whoever waits is told so.
    pub(super) fn step_down(&mut self, member: MemberNo) {
        let Some(mut leading) = self.group.members[member].leading.take() else { return };
        for waiter in leading.take_waiters() {
            self.answer(member, waiter, Answer::NotLeader);
        }
        for connection in self.network.find(|it| it.leader == Some(member)) {
            self.hang_up(connection, super::network::Side::Manager);
        }
    }

    /// A leader's process is gone: nobody is told anything.
    pub(super) fn abandon_leadership(&mut self, member: MemberNo) {
        let newest = self.newest_leader() == Some(member);
        if let Some(mut leading) = self.group.members[member].leading.take()
            && newest
        {
            self.left_behind = leading.take_undecided();
        }
    }
}
