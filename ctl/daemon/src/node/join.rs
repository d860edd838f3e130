//! Joining a cluster.

use super::{Node, NodeError, finish, listen, say_goodbye};
use crate::{
    address::{self, Addresses},
    enrol::{self, Application, EnrolError},
    identity::Membership,
    managers::Managers,
};
use manager::{Manager, StartError};
use pki::{Credentials, JoinToken, Material, Peer};
use proto::{
    model::{Problems, Role},
    wire::SwarmJoinRequest,
};
use tonic::Code;
use tracing::{info, warn};

impl Node {
    /// Joins this node to a cluster, as what the token says.
    pub async fn join(&self, request: SwarmJoinRequest) -> Result<Membership, NodeError> {
        let _turn = self.turn.lock().await;
        self.check_outside()?;
        let mut problems = Problems::default();
        problems.take("--token", request.token.parse::<JoinToken>());
        problems.take("the manager's address", pki::transport::check_addr(&request.remote_addr));
        let given = [&request.listen_addr, &request.advertise_addr, &request.data_path_addr];
        let toward = request.remote_addr.parse().ok();
        let addresses = address::read(given.map(String::as_str), toward, &mut problems);
        let Addresses { listen, advertise, data_path } = finish(addresses, problems)?;
        let application = Application {
            hostname: self.config.hostname.clone(),
            availability: request.availability(),
            addresses: [Some(advertise.ip()), data_path].into_iter().flatten().collect(),
        };
        let enrolled = enrol::join(&request.remote_addr, &request.token, application).await?;
        let membership = Membership {
            node: enrolled.node,
            cluster: enrolled.cluster,
            role: enrolled.role,
            incarnation: 0,
            advertise_addr: advertise.to_string(),
            listen_addr: listen.to_string(),
            data_path_addr: data_path,
            managers: vec![request.remote_addr],
        };
        let credentials = Credentials::new(enrolled.material.clone())?;
        match self.take_part(&membership, &enrolled.material, &credentials).await {
            Ok(None) => {
                info!(cluster = %membership.cluster, node = %membership.node, role = %membership.role, "joined");
                Ok(membership)
            }
            Ok(Some(reason)) => Err(NodeError::StillJoining(reason)),
            Err(error) => {
                // The managers know this node already: they should not wait for it.
                let managers = Managers::new(membership, credentials, self.identity.clone());
                if let Err(status) = say_goodbye(&managers, true).await {
                    warn!(
                        reason = status.message(),
                        "the managers could not be told that this node does not join"
                    );
                }
                self.forget()?;
                Err(error)
            }
        }
    }

    /// Begins the node's work in the cluster. If the group may yet take its manager in, that is followed
    /// up in the background; the answer then says why it has not done so at once.
    async fn take_part(
        &self,
        membership: &Membership,
        material: &Material,
        credentials: &Credentials,
    ) -> Result<Option<String>, NodeError> {
        self.clear_manager_dir()?;
        let manager = match membership.role {
            Role::Worker => None,
            Role::Manager => {
                let listener = listen(&membership.listen_addr).await?;
                Some(self.start_manager(membership, credentials, listener).await?)
            }
        };
        // The agent before the group: once that counts on this manager, nothing may fail here any more.
        let begun = async {
            self.identity.save(membership, material)?;
            let parts = self.start_agent(membership.clone(), credentials.clone()).await?;
            match &manager {
                None => Ok((parts, None)),
                Some(manager) => match enter_group(manager, membership, credentials).await {
                    Ok(pending) => Ok((parts, pending)),
                    Err(error) => {
                        parts.agent.clear().await;
                        Err(error)
                    }
                },
            }
        };
        match begun.await {
            Ok((parts, pending)) => {
                self.set_active(parts, manager);
                Ok(pending)
            }
            Err(error) => {
                if let Some(manager) = manager {
                    manager.stop().await;
                }
                Err(error)
            }
        }
    }
}

async fn enter_group(
    manager: &Manager,
    membership: &Membership,
    credentials: &Credentials,
) -> Result<Option<String>, NodeError> {
    let other = membership.managers.first().expect("a node joins by some manager's address");
    let other = pki::channel(other, Peer::AnyManager, credentials).map_err(EnrolError::Address)?;
    match manager.join_group(other).await {
        Ok(()) => Ok(None),
        Err(error) if is_final(&error) => Err(error.into()),
        Err(error) => Ok(Some(error.to_string())),
    }
}

/// Whether the leader has refused for good. Whatever else has failed, the group may have taken the
/// manager in all the same, and then it can't do without it.
fn is_final(error: &StartError) -> bool {
    let StartError::Join(status) = error else { return true };
    matches!(
        status.code(),
        Code::InvalidArgument
            | Code::FailedPrecondition
            | Code::PermissionDenied
            | Code::Unauthenticated
            | Code::Unimplemented
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use tonic::Status;

    #[test]
    fn a_manager_that_the_group_may_count_on_already_does_not_throw_its_log_away() {
        for status in [
            Status::unavailable(""),
            Status::deadline_exceeded(""),
            Status::cancelled(""),
            Status::unknown(""),
        ] {
            assert!(!is_final(&StartError::Join(status.clone())), "{status:?}");
        }
        assert!(is_final(&StartError::Join(Status::failed_precondition(
            "the leader can't reach this manager"
        ))));
    }
}
