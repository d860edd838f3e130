//! Compose files: read, put together and checked, every value with its place.
//!
//! Nothing here asks a cluster or touches a disk: files come through [`Files`], variables through a function, and what
//! is wrong goes to a [`Report`].
//!
//! ```text
//! text -> events -> tree of nodes -> variables filled in -> long form -> extended, merged, included -> model
//! ```

mod canonical;
mod dotenv;
mod fields;
mod files;
mod interpolate;
mod load;
mod merge;
pub mod model;
mod node;
mod place;
mod report;
mod variables;
pub mod words;
pub mod yaml;

pub use files::{Files, join};
pub use load::{Source, load};
pub use node::{Key, Map, MergeTag, Node, Value};
pub use place::{At, KeyPath, Place};
pub use report::{Finding, Report};

use model::Project;

/// A project, read and checked.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// What it says.
    pub project: Project,
    /// The same as one tree, which can be written out and read again.
    pub tree: Node,
}

/// Reads a project with the services of these profiles. Whether it is any good is up to the report.
pub fn read(source: &Source, profiles: &[String], report: &Report) -> Option<Loaded> {
    let mut tree = load(source, report)?;
    let mut project = Project::read(&tree, report);
    project.choose(profiles, report);
    project.check_names(report);
    if let Some(services) =
        tree.as_map_mut().and_then(|root| root.get_mut("services")).and_then(Node::as_map_mut)
    {
        services.retain(|name, _| project.services.contains_key(name));
    }
    Some(Loaded { project, tree })
}
