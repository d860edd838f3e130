//! What is wrong with something a person sent: every problem, not only the first.

use std::fmt;

/// One thing that is wrong, and with which field.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// The option or field, named as the user knows it (`--mount`, `name`).
    pub field: String,
    /// What is wrong and what would be right.
    pub message: String,
}

/// All problems found in one request.
#[derive(Debug, Clone, Default, PartialEq, Eq, thiserror::Error)]
pub struct Problems(pub Vec<Problem>);

impl Problems {
    /// Notes a problem.
    pub fn add(&mut self, field: impl Into<String>, message: impl fmt::Display) {
        self.0.push(Problem { field: field.into(), message: message.to_string() });
    }

    /// Takes the value out of a result, noting the error if it is one.
    pub fn take<T, E: fmt::Display>(&mut self, field: &str, result: Result<T, E>) -> Option<T> {
        match result {
            Ok(value) => Some(value),
            Err(error) => {
                self.add(field, error);
                None
            }
        }
    }

    /// Takes every good value out, noting each bad one.
    pub fn take_all<T, E: fmt::Display>(
        &mut self,
        field: &str,
        results: impl IntoIterator<Item = Result<T, E>>,
    ) -> Vec<T> {
        results.into_iter().filter_map(|result| self.take(field, result)).collect()
    }

    /// The value, if nothing was noted.
    pub fn finish<T>(self, value: T) -> Result<T, Problems> {
        if self.0.is_empty() { Ok(value) } else { Err(self) }
    }
}

impl fmt::Display for Problems {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (nth, problem) in self.0.iter().enumerate() {
            if nth > 0 {
                f.write_str("\n")?;
            }
            write!(f, "{}: {}", problem.field, problem.message)?;
        }
        Ok(())
    }
}
