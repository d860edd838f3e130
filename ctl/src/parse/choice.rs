//! Options that take one of a few words.

use proto::wire;

/// Says that a text is not one of the words.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not one of the choices: use {}", .choices.join(", "))]
pub struct ChoiceError {
    text: String,
    choices: Vec<&'static str>,
}

/// Finds the value a word stands for.
fn one_of<T: Copy>(text: &str, words: &[(&'static str, T)]) -> Result<T, ChoiceError> {
    words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value).ok_or_else(|| ChoiceError {
        text: text.chars().take(40).collect(),
        choices: words.iter().map(|(word, _)| *word).collect(),
    })
}

/// `active`, `pause` or `drain`.
pub fn availability(text: &str) -> Result<wire::Availability, ChoiceError> {
    use wire::Availability::*;
    one_of(text, &[("active", Active), ("pause", Pause), ("drain", Drain)])
}

/// `worker` or `manager`.
pub fn role(text: &str) -> Result<wire::Role, ChoiceError> {
    one_of(text, &[("worker", wire::Role::Worker), ("manager", wire::Role::Manager)])
}

/// `none`, `on-failure` or `any`.
pub fn restart_condition(text: &str) -> Result<wire::restart_policy::Condition, ChoiceError> {
    use wire::restart_policy::Condition::*;
    one_of(text, &[("none", None), ("on-failure", OnFailure), ("any", Any)])
}

/// What an update does when too many tasks fail: `pause`, `continue` or `rollback`.
pub fn update_failure_action(text: &str) -> Result<wire::rollout_config::FailureAction, ChoiceError> {
    use wire::rollout_config::FailureAction::*;
    one_of(text, &[("pause", Pause), ("continue", Continue), ("rollback", Rollback)])
}

/// What a rollback does when too many tasks fail: `pause` or `continue`.
pub fn rollback_failure_action(text: &str) -> Result<wire::rollout_config::FailureAction, ChoiceError> {
    use wire::rollout_config::FailureAction::*;
    one_of(text, &[("pause", Pause), ("continue", Continue)])
}

/// `stop-first` or `start-first`.
pub fn order(text: &str) -> Result<wire::rollout_config::Order, ChoiceError> {
    use wire::rollout_config::Order::*;
    one_of(text, &[("stop-first", StopFirst), ("start-first", StartFirst)])
}

/// `vip`, one address for all tasks; or `dnsrr`, the addresses of the tasks.
pub fn endpoint_mode(text: &str) -> Result<wire::EndpointMode, ChoiceError> {
    use wire::EndpointMode::*;
    one_of(text, &[("vip", Vip), ("dnsrr", Dnsrr)])
}

/// How the tasks of a service are counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ModeWord {
    /// A given number.
    Replicated,
    /// One on each node.
    Global,
    /// A given number that complete.
    ReplicatedJob,
    /// One on each node that completes.
    GlobalJob,
}

/// `replicated`, `global`, `replicated-job` or `global-job`.
pub fn mode(text: &str) -> Result<ModeWord, ChoiceError> {
    use ModeWord::*;
    let jobs = [("replicated-job", ReplicatedJob), ("global-job", GlobalJob)];
    one_of(text, &[("replicated", Replicated), ("global", Global), jobs[0], jobs[1]])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_wrong_word_lists_the_choices() {
        assert_eq!(mode("global"), Ok(ModeWord::Global));
        assert_eq!(
            availability("drian").unwrap_err().to_string(),
            "`drian` is not one of the choices: use active, pause, drain"
        );
        assert!(rollback_failure_action("rollback").is_err());
    }
}
