//! `swarm join-token`.

use super::{Session, instructions};
use crate::{
    args::swarm::{JoinTokenArgs, TokenRole},
    error::CliError,
};
use proto::wire::{GetJoinTokensRequest, Role, RotateJoinTokenRequest};

/// Shows or rotates a token.
pub async fn run(session: &Session, args: JoinTokenArgs) -> Result<(), CliError> {
    let (role, word) = match args.role {
        TokenRole::Worker => (Role::Worker, "worker"),
        TokenRole::Manager => (Role::Manager, "manager"),
    };
    let mut control = session.client().await?.control();
    let answer = if args.rotate {
        control.rotate_join_token(RotateJoinTokenRequest { role: role.into() }).await
    } else {
        control.get_join_tokens(GetJoinTokensRequest {}).await
    };
    let tokens = answer.map_err(CliError::cluster)?.into_inner();
    let token = match args.role {
        TokenRole::Worker => &tokens.worker,
        TokenRole::Manager => &tokens.manager,
    };
    if args.quiet {
        return Ok(session.printer.line(token)?);
    }
    if args.rotate {
        session.printer.data(format!("Successfully rotated {word} join token.\n\n"))?;
    }
    let addr = tokens.manager_addrs.first().map_or("", String::as_str);
    Ok(session.printer.data(instructions(word, token, addr))?)
}
