//! Commands on several objects: one that is refused does not keep the others from being done.

use crate::error::CliError;
use tonic::{Code, Status};

/// The refusals of a command on several objects.
#[derive(Debug, Default)]
pub struct Refusals(Option<CliError>);

impl Refusals {
    /// Takes the outcome for one object. A refusal that is about this object only is kept for later;
    /// anything else is returned at once, since the other objects would meet it too.
    pub fn take<T>(&mut self, outcome: Result<T, CliError>) -> Result<Option<T>, CliError> {
        match outcome {
            Ok(value) => Ok(Some(value)),
            Err(error) if is_about_one_object(&error) => {
                self.keep(error);
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }

    fn keep(&mut self, error: CliError) {
        match (&mut self.0, error) {
            (Some(CliError::Cluster(kept)), CliError::Cluster(more)) => kept.extend(more),
            (Some(CliError::Node(kept)), CliError::Node(more)) => kept.extend(more),
            (kept, error) => *kept = Some(error),
        }
    }

    /// The refusals, if there were any.
    pub fn finish(self) -> Result<(), CliError> {
        self.0.map_or(Ok(()), Err)
    }
}

fn is_about_one_object(error: &CliError) -> bool {
    let about_one = |status: &Status| {
        use Code::{Aborted, AlreadyExists, FailedPrecondition, InvalidArgument, NotFound};
        matches!(status.code(), NotFound | FailedPrecondition | InvalidArgument | AlreadyExists | Aborted)
    };
    match error {
        CliError::Cluster(refusals) | CliError::Node(refusals) => refusals.iter().all(about_one),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_missing_object_does_not_stop_the_others() {
        let mut refusals = Refusals::default();
        for name in ["a", "b"] {
            let missing = Err(CliError::cluster(Status::not_found(format!("no such service: {name}"))));
            assert_eq!(refusals.take::<u8>(missing).unwrap(), None);
        }
        assert_eq!(refusals.take(Ok(1)).unwrap(), Some(1));
        let report = refusals.finish().unwrap_err().report();
        assert_eq!(report, "no such service: a\nno such service: b");
    }

    #[test]
    fn a_cluster_that_does_not_answer_stops_at_once() {
        let mut refusals = Refusals::default();
        assert!(refusals.take::<u8>(Err(CliError::cluster(Status::unavailable("no leader")))).is_err());
    }
}
