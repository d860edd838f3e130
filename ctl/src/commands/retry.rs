//! Changes made on a version that is not the newest any more are made again on the newest.

use crate::error::CliError;
use tonic::Code;

/// How often a change is tried. Others that change the same object win at most as often as they are
/// many, and loops write their progress beside a spec a few times a second.
const TRIES: usize = 10;

/// Reads, edits and sends, until the version that was read is the one that is changed.
pub async fn while_stale<T>(change: impl AsyncFn() -> Result<T, CliError>) -> Result<T, CliError> {
    for _ in 1..TRIES {
        match change().await {
            Err(CliError::Cluster(refusals))
                if refusals.iter().all(|status| status.code() == Code::Aborted) => {}
            outcome => return outcome,
        }
    }
    change().await
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::cell::Cell;
    use tonic::Status;

    async fn tried(refuse: impl Fn(usize) -> Option<Status>) -> (usize, Result<(), CliError>) {
        let tries = Cell::new(0);
        let outcome = while_stale(async || {
            tries.set(tries.get() + 1);
            refuse(tries.get()).map_or(Ok(()), |status| Err(CliError::cluster(status)))
        })
        .await;
        (tries.get(), outcome)
    }

    #[tokio::test]
    async fn a_stale_version_is_read_again_and_other_refusals_stand() {
        let (tries, outcome) = tried(|nth| (nth < 3).then(|| Status::aborted("stale"))).await;
        assert!(tries == 3 && outcome.is_ok());
        let (tries, outcome) = tried(|_| Some(Status::not_found("gone"))).await;
        assert!(tries == 1 && outcome.is_err());
        let (tries, outcome) = tried(|_| Some(Status::aborted("stale"))).await;
        assert!(tries == TRIES && outcome.is_err());
    }
}
