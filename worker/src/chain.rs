//! An error with all its causes, in one line.

use std::{error::Error, fmt};

/// Shows an error followed by its causes.
pub(crate) struct Chain<'a>(pub &'a (dyn Error + 'static));

impl fmt::Display for Chain<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut last = self.0.to_string();
        f.write_str(&last)?;
        let mut cause = self.0.source();
        while let Some(error) = cause {
            let text = error.to_string();
            // A transparent wrapper says the same as what it wraps.
            if text != last {
                write!(f, ": {text}")?;
            }
            (last, cause) = (text, error.source());
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io;

    #[derive(Debug, thiserror::Error)]
    #[error("cannot read `x`")]
    struct Outer(#[source] Middle);

    #[derive(Debug, thiserror::Error)]
    #[error(transparent)]
    struct Middle(io::Error);

    #[test]
    fn every_cause_is_said_once() {
        let error = Outer(Middle(io::Error::other("the disk is gone")));
        assert_eq!(Chain(&error).to_string(), "cannot read `x`: the disk is gone");
    }
}
