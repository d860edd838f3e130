//! Who may call what: one table over every RPC, and who a caller is.

use pki::{NodeIdentity, PeerInfo};
use proto::model::{NodeId, Role};
use std::net::IpAddr;

/// Who makes a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Caller {
    /// Who.
    pub kind: CallerKind,
    /// The address the call came from; `None` for the unix socket.
    pub addr: Option<IpAddr>,
}

/// The kinds of callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CallerKind {
    /// Root on a manager, over its unix socket.
    Local,
    /// A node, by its certificate.
    Node {
        /// Which.
        node: NodeId,
        /// What its certificate says it is.
        role: Role,
    },
    /// Someone without a certificate.
    Stranger,
}

impl Caller {
    /// The caller at the other end of a network connection.
    pub fn of_peer(peer: &PeerInfo) -> Self {
        let kind = match peer.identity {
            Some(NodeIdentity { node, role, .. }) => CallerKind::Node { node, role },
            None => CallerKind::Stranger,
        };
        Self { kind, addr: Some(peer.addr.ip()) }
    }

    /// The caller at the other end of the unix socket.
    pub const LOCAL: Self = Self { kind: CallerKind::Local, addr: None };

    /// The node that calls, if it is one.
    pub fn node(&self) -> Option<NodeId> {
        match self.kind {
            CallerKind::Node { node, .. } => Some(node),
            CallerKind::Local | CallerKind::Stranger => None,
        }
    }
}

/// Who may make a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Who {
    /// Everyone, even without a certificate.
    Anyone,
    /// Every node of the cluster.
    Node,
    /// Managers, and root on one of them.
    Operator,
    /// Managers only.
    Manager,
}

/// Where a call is answered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// On the manager that is called.
    Here,
    /// On the leader, wherever it is called.
    Leader,
}

/// What a caller sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Body {
    /// One message.
    Whole,
    /// Messages as they come up.
    Stream,
}

/// The rule for one RPC.
#[derive(Debug, Clone, Copy)]
pub struct Rule {
    /// Its path in HTTP/2.
    pub path: &'static str,
    /// Who may call it.
    pub who: Who,
    /// Where it is answered.
    pub place: Place,
    /// What is sent in it.
    pub body: Body,
    /// Whether it only reads, so that it may run twice.
    pub reads: bool,
}

const fn rule(path: &'static str, who: Who, place: Place) -> Rule {
    Rule { path, who, place, body: Body::Whole, reads: false }
}

const fn read(path: &'static str, who: Who, place: Place) -> Rule {
    Rule { path, who, place, body: Body::Whole, reads: true }
}

const fn stream(path: &'static str, who: Who, place: Place) -> Rule {
    Rule { path, who, place, body: Body::Stream, reads: false }
}

/// Every RPC that managers serve. A call that is not here is refused.
pub const RULES: &[Rule] = &[
    read("/shoal.v1.Ca/GetRoot", Who::Anyone, Place::Here),
    rule("/shoal.v1.Ca/Join", Who::Anyone, Place::Leader),
    rule("/shoal.v1.Ca/Renew", Who::Node, Place::Leader),
    stream("/shoal.v1.Dispatcher/Session", Who::Node, Place::Leader),
    stream("/shoal.v1.Dispatcher/PublishLogs", Who::Node, Place::Leader),
    rule("/shoal.v1.Membership/Leave", Who::Node, Place::Leader),
    rule("/shoal.v1.Membership/JoinGroup", Who::Manager, Place::Leader),
    rule("/shoal.v1.Raft/Append", Who::Manager, Place::Here),
    rule("/shoal.v1.Raft/Vote", Who::Manager, Place::Here),
    rule("/shoal.v1.Raft/InstallSnapshot", Who::Manager, Place::Here),
    read("/shoal.v1.Control/GetCluster", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/UpdateCluster", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/GetJoinTokens", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/RotateJoinToken", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/ListNodes", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/GetNode", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/UpdateNode", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/RemoveNode", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/CreateService", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/ListServices", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/GetService", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/UpdateService", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/RollbackService", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/ExplainService", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/ControlRollout", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/ServiceHistory", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/RemoveService", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/ListTasks", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/GetTask", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/WatchService", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/Logs", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/ApplyStack", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/ListStacks", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/GetStack", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/RemoveStack", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/CreateNetwork", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/ListNetworks", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/GetNetwork", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/RemoveNetwork", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/ConnectTask", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/DisconnectTask", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/CheckNetworks", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/CreatePayload", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/ListPayloads", Who::Operator, Place::Leader),
    read("/shoal.v1.Control/GetPayload", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/UpdatePayload", Who::Operator, Place::Leader),
    rule("/shoal.v1.Control/RemovePayload", Who::Operator, Place::Leader),
];

/// The rule for a path.
pub fn rule_of(path: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.path == path)
}

/// Whether a caller may make a call.
pub fn may(who: Who, caller: CallerKind) -> bool {
    match who {
        Who::Anyone => true,
        Who::Node => matches!(caller, CallerKind::Node { .. }),
        Who::Operator => matches!(caller, CallerKind::Local | CallerKind::Node { role: Role::Manager, .. }),
        Who::Manager => matches!(caller, CallerKind::Node { role: Role::Manager, .. }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NODE: NodeId = NodeId::from_bits(7);
    const CALLERS: [CallerKind; 4] = [
        CallerKind::Stranger,
        CallerKind::Node { node: NODE, role: Role::Worker },
        CallerKind::Node { node: NODE, role: Role::Manager },
        CallerKind::Local,
    ];

    #[test]
    fn every_rpc_that_managers_serve_has_a_rule() {
        let served: Vec<(String, bool)> = proto::wire::methods()
            .iter()
            .filter(|method| method.service != "shoal.v1.NodeLocal")
            .map(|method| (format!("/{}/{}", method.service, method.name), method.caller_streams))
            .collect();
        for (path, streams) in &served {
            let rule = rule_of(path).unwrap_or_else(|| panic!("{path} has no rule"));
            assert_eq!(rule.body == Body::Stream, *streams, "{path}");
        }
        let stale: Vec<&str> = RULES
            .iter()
            .map(|rule| rule.path)
            .filter(|path| !served.iter().any(|(served, _)| served == path))
            .collect();
        assert_eq!(stale, Vec::<&str>::new(), "rules without an rpc");
    }

    #[test]
    fn a_worker_may_only_join_renew_leave_and_do_its_work() {
        let allowed: Vec<&str> =
            RULES.iter().filter(|rule| may(rule.who, CALLERS[1])).map(|rule| rule.path).collect();
        assert_eq!(
            allowed,
            [
                "/shoal.v1.Ca/GetRoot",
                "/shoal.v1.Ca/Join",
                "/shoal.v1.Ca/Renew",
                "/shoal.v1.Dispatcher/Session",
                "/shoal.v1.Dispatcher/PublishLogs",
                "/shoal.v1.Membership/Leave",
            ]
        );
    }

    #[test]
    fn a_stranger_may_only_ask_to_be_let_in() {
        let allowed: Vec<&str> =
            RULES.iter().filter(|rule| may(rule.who, CALLERS[0])).map(|rule| rule.path).collect();
        assert_eq!(allowed, ["/shoal.v1.Ca/GetRoot", "/shoal.v1.Ca/Join"]);
    }

    #[test]
    fn nobody_but_managers_takes_part_in_consensus() {
        for rule in RULES.iter().filter(|rule| rule.path.starts_with("/shoal.v1.Raft/")) {
            let allowed: Vec<bool> = CALLERS.iter().map(|&caller| may(rule.who, caller)).collect();
            assert_eq!(allowed, [false, false, true, false], "{}", rule.path);
        }
    }
}
