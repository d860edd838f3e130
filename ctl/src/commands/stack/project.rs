//! Reading Compose files from the disk, and saying what is wrong with them.

use super::Session;
use crate::{
    args::stack::ProjectArgs,
    error::{CliError, ComposeErrors},
    stack::stack_spec,
};
use compose::{Files, Loaded, Report, Source};
use proto::wire::StackSpec;
use std::{
    io::{self, Read as _},
    path::Path,
};

/// Standard input.
const STDIN: &str = "-";
/// The files that are looked for if none is named, and what is added to each if it is there.
const USUAL: [&str; 4] = ["compose.yaml", "compose.yml", "docker-compose.yaml", "docker-compose.yml"];

struct Disk;

impl Files for Disk {
    fn read(&self, path: &str) -> io::Result<Vec<u8>> {
        if path == STDIN {
            let mut bytes = Vec::new();
            return io::stdin().lock().read_to_end(&mut bytes).map(|_| bytes);
        }
        std::fs::read(path)
    }
}

/// A project with the name of its stack.
pub struct Read {
    /// The project.
    pub loaded: Loaded,
    /// The stack's name.
    pub stack: String,
    report: Report,
}

/// Reads the project. What is not honoured is told on the way.
pub fn read(args: &ProjectArgs, stack: Option<&str>) -> Result<Read, CliError> {
    let here = std::env::current_dir().map_err(CliError::Program)?;
    let here = here.to_string_lossy().into_owned();
    let absolute = |path: &String| if path == STDIN { path.clone() } else { compose::join(&here, path) };
    let paths: Vec<String> =
        if args.files.is_empty() { usual(&here)? } else { args.files.iter().map(absolute).collect() };
    let directory = match (&args.project_directory, paths.first()) {
        (Some(directory), _) => Some(compose::join(&here, directory)),
        (None, Some(first)) if first == STDIN => Some(here.clone()),
        (None, _) => None,
    };
    let env_files: Vec<String> = args.env_files.iter().map(absolute).collect();
    let variable = |name: &str| match (name, stack) {
        ("COMPOSE_PROJECT_NAME", Some(stack)) => Some(stack.to_owned()),
        _ => std::env::var(name).ok(),
    };
    let mut profiles = args.profiles.clone();
    if profiles.is_empty() {
        let named = variable("COMPOSE_PROFILES").unwrap_or_default();
        profiles =
            named.split(',').map(str::trim).filter(|name| !name.is_empty()).map(str::to_owned).collect();
    }
    let report = Report::default();
    let source = Source {
        paths: &paths,
        directory: directory.as_deref(),
        env_files: &env_files,
        files: &Disk,
        variable: &variable,
    };
    let loaded = compose::read(&source, &profiles, &report);
    let stack =
        stack.map(str::to_owned).or_else(|| Some(loaded.as_ref()?.project.name.as_ref()?.value.clone()));
    match (loaded, stack) {
        (Some(loaded), Some(stack)) => Ok(Read { loaded, stack, report }),
        (Some(loaded), None) => Ok(Read { loaded, stack: String::new(), report }),
        (None, _) => Err(ComposeErrors(report.errors()).into()),
    }
}

impl Read {
    /// The spec of the stack, if nothing is wrong with the files.
    pub fn spec(&self, session: &Session) -> Result<StackSpec, CliError> {
        if self.stack.is_empty() {
            let place = compose::Place::outside("STACK");
            let message = "the stack has no name: give one, or write name: in the file";
            self.report.error(&place, &compose::KeyPath::root(), message);
        }
        // Without a name there is still everything else to be said.
        let name = if self.stack.is_empty() { "stack" } else { &self.stack };
        let spec = stack_spec(&self.loaded.project, name, &self.report);
        for warning in self.report.warnings() {
            session.printer.note(&format!("shoal: warning: {warning}"));
        }
        if self.report.has_errors() {
            return Err(ComposeErrors(self.report.errors()).into());
        }
        Ok(spec)
    }
}

/// The file that is usual here, and the changes beside it.
fn usual(here: &str) -> Result<Vec<String>, CliError> {
    let there = |name: &str| Some(compose::join(here, name)).filter(|path| Path::new(path).is_file());
    let Some(found) = USUAL.into_iter().find_map(there) else {
        return Err(CliError::NoComposeFile { folder: here.to_owned() });
    };
    let stem =
        found.strip_suffix(".yaml").or_else(|| found.strip_suffix(".yml")).unwrap_or(&found).to_owned();
    let over = [".override.yaml", ".override.yml"].map(|end| format!("{stem}{end}"));
    let over = over.into_iter().find(|path| Path::new(path).is_file());
    Ok([Some(found), over].into_iter().flatten().collect())
}
