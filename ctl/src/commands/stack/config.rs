//! `stack config`.

use super::{Session, project};
use crate::{args::stack::ConfigArgs, error::CliError};
use compose::{Key, Node, Place};

/// Prints a project as one file.
pub fn run(session: &Session, args: &ConfigArgs) -> Result<(), CliError> {
    let mut read = project::read(&args.project, None)?;
    if read.stack.is_empty() {
        // Nothing of what is printed depends on it.
        read.stack = "stack".into();
    } else if let Some(root) = read.loaded.tree.as_map_mut() {
        let place = Place::start_of("name");
        root.set(Key { text: "name".into(), place: place.clone() }, Node::text(&read.stack, &place));
    }
    read.spec(session)?;
    if args.quiet {
        return Ok(());
    }
    Ok(session.printer.data(compose::yaml::to_text(&read.loaded.tree))?)
}
