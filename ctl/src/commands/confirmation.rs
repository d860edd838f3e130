//! Questions that are answered with y or N before something is lost.

use crate::{error::CliError, printer::Printer};
use std::io::{self, BufRead, IsTerminal};

/// Asks, and fails unless the answer is yes. It is read from standard input, be that a terminal or not,
/// and its end means no.
pub fn ask(printer: &Printer, question: &str) -> Result<(), CliError> {
    printer.aside(format!("{question} [y/N] "));
    let agreed = agreed(io::stdin().lock()).map_err(CliError::Answer)?;
    if !io::stdin().is_terminal() {
        // Nobody ended the line of the question.
        printer.note("");
    }
    if agreed { Ok(()) } else { Err(CliError::Declined) }
}

fn agreed(mut input: impl BufRead) -> io::Result<bool> {
    let mut answer = String::new();
    input.read_line(&mut answer)?;
    Ok(["y", "yes"].contains(&answer.trim().to_ascii_lowercase().as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_yes_is_one() {
        for (answer, yes) in [("y\n", true), ("YES\n", true), ("n\n", false), ("\n", false), ("", false)] {
            assert_eq!(agreed(answer.as_bytes()).unwrap(), yes, "{answer:?}");
        }
    }
}
