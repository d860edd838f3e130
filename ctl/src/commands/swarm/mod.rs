//! `shoal swarm`.

mod init;
mod join;
mod join_token;
mod leave;
mod update;

use super::Session;
use crate::{
    args::swarm::{MemberArgs, SwarmCommand},
    error::CliError,
    parse::choice,
};
use proto::{model::Problems, wire::Availability};

/// Carries a command out.
pub async fn run(session: &Session, command: SwarmCommand) -> Result<(), CliError> {
    match command {
        SwarmCommand::Init(args) => init::run(session, args).await,
        SwarmCommand::Join(args) => join::run(session, args).await,
        SwarmCommand::JoinToken(args) => join_token::run(session, args).await,
        SwarmCommand::Leave(args) => leave::run(session, args).await,
        SwarmCommand::Update(args) => update::run(session, args).await,
    }
}

fn availability(member: &MemberArgs, problems: &mut Problems) -> Availability {
    problems.take("--availability", choice::availability(&member.availability)).unwrap_or_default()
}

/// How to let a node in.
fn instructions(role: &str, token: &str, addr: &str) -> String {
    format!(
        "To add a {role} to this swarm, run the following command:\n\n    shoal swarm join --token {token} {addr}\n\n"
    )
}

#[cfg(test)]
mod tests {
    #[test]
    fn instructions_can_be_pasted() {
        assert_eq!(
            super::instructions("worker", "SWMTKN-1-a-b", "10.0.0.1:2377"),
            "To add a worker to this swarm, run the following command:\n\n    \
             shoal swarm join --token SWMTKN-1-a-b 10.0.0.1:2377\n\n"
        );
    }
}
