//! One thing that was checked, and what all of them say together.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    /// It is as it should be.
    Ok,
    /// A node runs, and something may surprise people.
    Warning,
    /// A node does not run, or not all of it.
    Missing,
}

impl State {
    /// Returns the word people see.
    pub fn word(self) -> &'static str {
        match self {
            State::Ok => "ok",
            State::Warning => "warning",
            State::Missing => "missing",
        }
    }
}

/// One thing that was checked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "PascalCase")]
pub struct Check {
    /// What it is.
    pub name: String,
    /// How bad it is.
    pub state: State,
    /// What was found.
    pub found: String,
    /// What to do; empty if nothing has to be done.
    pub remedy: String,
}

impl Check {
    pub(crate) fn ok(name: impl Into<String>, found: impl Into<String>) -> Self {
        Self { name: name.into(), state: State::Ok, found: found.into(), remedy: String::new() }
    }

    pub(crate) fn warning(
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), state: State::Warning, found: found.into(), remedy: remedy.into() }
    }

    pub(crate) fn missing(
        name: impl Into<String>,
        found: impl Into<String>,
        remedy: impl Into<String>,
    ) -> Self {
        Self { name: name.into(), state: State::Missing, found: found.into(), remedy: remedy.into() }
    }
}

/// Says that a machine can't be a node, or not with everything a node has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("this machine lacks what a node needs ({}): do what the table says and check again", names.join(", "))]
pub struct Unfit {
    /// The names of the checks that found something missing.
    pub names: Vec<String>,
}

/// Returns what is missing, if anything is.
pub fn unfit(checks: &[Check]) -> Option<Unfit> {
    let missing = checks.iter().filter(|check| check.state == State::Missing);
    let names: Vec<String> = missing.map(|check| check.name.clone()).collect();
    (!names.is_empty()).then_some(Unfit { names })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_is_missing_makes_a_machine_unfit() {
        let fine = [Check::ok("a", ""), Check::warning("b", "odd", "look")];
        assert_eq!(unfit(&fine), None);
        let broken = [Check::missing("c", "none", "get it"), Check::ok("a", ""), Check::missing("d", "", "")];
        assert_eq!(
            unfit(&broken).unwrap().to_string(),
            "this machine lacks what a node needs (c, d): do what the table says and check again"
        );
    }
}
