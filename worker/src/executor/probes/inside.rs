//! Probes that run a program in the container.

use super::Subject;
use crate::chain::Chain;
use std::time::Duration;

/// Runs it; what it wrote, or why that is no success.
pub(super) async fn run(subject: &Subject, args: Vec<String>, timeout: Duration) -> Result<String, String> {
    let done = subject.node.runtime.exec(subject.task, args, timeout).await;
    let done = done.map_err(|error| Chain(&error).to_string())?;
    let text = String::from_utf8_lossy(&done.output);
    let wrote: Vec<&str> = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let wrote = wrote.join("; ");
    let with_words = |what: String| if wrote.is_empty() { what } else { format!("{what}: {wrote}") };
    match done.code {
        Some(0) => Ok(wrote),
        Some(code) => Err(with_words(format!("exit code {code}"))),
        None => Err(with_words(format!("no end within {timeout:?}"))),
    }
}
