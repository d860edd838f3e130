//! Asks nodes what they have of networks, in their sessions.

use super::hub::Hub;
use crate::clock::RandomIds;
use proto::{
    model::{IdSource, NetworkId, NodeId},
    wire::{ManagerMessage, NetworkFinding, NetworkFindings, NetworkQuestion, manager_message::Kind},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};
use tokio::{sync::oneshot, time::timeout};

/// How long a node may take to look at its networks.
const PATIENCE: Duration = Duration::from_secs(5);

/// Knows every question that is open. Clones share it.
#[derive(Clone, Default)]
pub struct NetworkQuestions {
    open: Arc<Mutex<BTreeMap<String, Question>>>,
}

/// What one node was asked.
struct Question {
    node: NodeId,
    /// The number of the session in which it was asked.
    session: u64,
    answer: oneshot::Sender<Vec<NetworkFinding>>,
}

/// Why a node did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Silence {
    /// It has no session.
    #[error("it has no session with the leader")]
    Absent,
    /// Its session ended before it answered.
    #[error("the connection to it was lost")]
    Lost,
    /// It took too long.
    #[error("it did not answer within {PATIENCE:?}")]
    Late,
}

impl NetworkQuestions {
    /// Asks a node about a network, or about all and the node's own, and waits for its answer.
    pub async fn ask(
        &self,
        hub: &Hub,
        node: NodeId,
        network: Option<NetworkId>,
    ) -> Result<Vec<NetworkFinding>, Silence> {
        self.ask_within(hub, node, network, PATIENCE).await
    }

    async fn ask_within(
        &self,
        hub: &Hub,
        node: NodeId,
        network: Option<NetworkId>,
        patience: Duration,
    ) -> Result<Vec<NetworkFinding>, Silence> {
        let (session, outbound) = hub.outbound(node).ok_or(Silence::Absent)?;
        let (answer, answered) = oneshot::channel();
        let id = format!("{:032x}", RandomIds.next_bits());
        // First, since the answer may come at once. Closed however this ends.
        self.questions().insert(id.clone(), Question { node, session, answer });
        let _open = Open { questions: self, id: &id };
        let network_id = network.map(|id| id.to_string()).unwrap_or_default();
        let question = NetworkQuestion { question_id: id.clone(), network_id };
        let told = async {
            let message = ManagerMessage { kind: Some(Kind::NetworkQuestion(question)) };
            outbound.send(Ok(message)).await.map_err(|_| Silence::Lost)?;
            answered.await.map_err(|_| Silence::Lost)
        };
        timeout(patience, told).await.unwrap_or(Err(Silence::Late))
    }

    /// Takes in what a node answers. Answers nobody waits for any more, or of other nodes, are passed over.
    pub fn answered(&self, node: NodeId, findings: NetworkFindings) {
        let mut questions = self.questions();
        if questions.get(&findings.question_id).is_some_and(|question| question.node == node)
            && let Some(question) = questions.remove(&findings.question_id)
        {
            // Whoever asked may have gone.
            let _ = question.answer.send(findings.networks);
        }
    }

    /// Ends what a node was asked in a session that is over.
    pub fn forget_session(&self, node: NodeId, session: u64) {
        self.questions().retain(|_, question| question.node != node || question.session != session);
    }

    fn questions(&self) -> MutexGuard<'_, BTreeMap<String, Question>> {
        // Nothing that panics is done under the lock.
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A question as long as somebody waits for its answer.
struct Open<'a> {
    questions: &'a NetworkQuestions,
    id: &'a str,
}

impl Drop for Open<'_> {
    fn drop(&mut self) {
        self.questions.questions().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proto::model::Timestamp;
    use tokio::sync::mpsc;
    use tonic::Status;

    const NODE: NodeId = NodeId::from_bits(1);

    type Agent = mpsc::Receiver<Result<ManagerMessage, Status>>;

    fn hub() -> (Hub, Agent) {
        let (hub, (outbound, agent)) = (Hub::default(), mpsc::channel(4));
        hub.open(NODE, 2, outbound, Timestamp(0));
        (hub, agent)
    }

    async fn question(agent: &mut Agent) -> NetworkQuestion {
        match agent.recv().await.unwrap().unwrap().kind {
            Some(Kind::NetworkQuestion(question)) => question,
            other => panic!("not a question: {other:?}"),
        }
    }

    fn findings(question: &NetworkQuestion) -> NetworkFindings {
        let found = NetworkFinding { name: "front".into(), ..NetworkFinding::default() };
        NetworkFindings { question_id: question.question_id.clone(), networks: vec![found] }
    }

    #[tokio::test]
    async fn a_node_is_asked_in_its_session_and_only_its_own_answer_counts() {
        let (questions, (hub, mut agent)) = (NetworkQuestions::default(), hub());
        let network = Some(NetworkId::from_bits(7));
        let answers = async {
            let asked = question(&mut agent).await;
            assert_eq!(asked.network_id, NetworkId::from_bits(7).to_string());
            let other = NetworkFindings { networks: Vec::new(), ..findings(&asked) };
            questions.answered(NodeId::from_bits(9), other);
            questions.answered(NODE, findings(&asked));
        };
        let (found, ()) = tokio::join!(questions.ask(&hub, NODE, network), answers);
        assert_eq!(found.unwrap()[0].name, "front");
        assert!(questions.questions().is_empty());
    }

    #[tokio::test]
    async fn a_node_without_a_session_and_one_whose_session_ends_are_silent() {
        let (questions, (hub, mut agent)) = (NetworkQuestions::default(), hub());
        assert_eq!(questions.ask(&hub, NodeId::from_bits(9), None).await, Err(Silence::Absent));
        let ends = async {
            question(&mut agent).await;
            questions.forget_session(NODE, 1);
            questions.forget_session(NODE, 2);
        };
        let (found, ()) = tokio::join!(questions.ask(&hub, NODE, None), ends);
        assert_eq!(found, Err(Silence::Lost));
    }

    #[tokio::test]
    async fn a_node_that_does_not_answer_is_late_and_forgotten() {
        let (questions, (hub, _agent)) = (NetworkQuestions::default(), hub());
        assert_eq!(questions.ask_within(&hub, NODE, None, Duration::ZERO).await, Err(Silence::Late));
        assert!(questions.questions().is_empty());
    }
}
