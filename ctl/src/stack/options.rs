//! A service as options of `service create`, each with the place it was made of. So a service of a stack is the same as
//! one made by hand, and whatever `service create` learns, stacks can use.

use crate::{
    args::{Cli, Command, service::ServiceCommand},
    spec::{self, Surroundings},
};
use clap::Parser;
use compose::{At, KeyPath, Place, Report};
use proto::{model::Problem, wire};
use std::io;

/// The options of one service.
pub struct Options<'a> {
    words: Vec<String>,
    made_of: Vec<(String, String, Place, KeyPath)>,
    /// Where the service itself stands.
    key: &'a At<String>,
}

impl<'a> Options<'a> {
    /// A service without options.
    pub fn of(key: &'a At<String>) -> Self {
        let words = ["shoal", "service", "create"].map(String::from).to_vec();
        Self { words, made_of: Vec::new(), key }
    }

    /// Gives an option a value, which was made of what stands there.
    pub fn set<T>(&mut self, option: &str, value: impl Into<String>, at: &At<T>) {
        let value = value.into();
        self.words.push(format!("{option}={value}"));
        self.made_of.push((option.to_owned(), value, at.place.clone(), at.path.clone()));
    }

    /// Gives an option the text that stands there, if one does.
    pub fn set_text(&mut self, option: &str, text: Option<&At<String>>) {
        if let Some(text) = text {
            self.set(option, text.value.clone(), text);
        }
    }

    /// Gives an option the number that stands there, if one does.
    pub fn set_number<T: ToString>(&mut self, option: &str, number: Option<&At<T>>) {
        if let Some(number) = number {
            self.set(option, number.value.to_string(), number);
        }
    }

    /// Gives an option each of these texts.
    pub fn set_each(&mut self, option: &str, texts: &[At<String>]) {
        for text in texts {
            self.set(option, text.value.clone(), text);
        }
    }

    /// Gives an option that has no value.
    pub fn switch(&mut self, option: &str) {
        self.words.push(option.to_owned());
    }

    /// Gives an option without a place in the file.
    pub fn set_own(&mut self, option: &str, value: impl Into<String>) {
        self.set(option, value, self.key);
    }

    /// The service that `service create` would make, or all that is wrong, each at its place.
    pub fn create(
        mut self,
        image: &At<String>,
        command: &[At<String>],
        report: &Report,
    ) -> Option<wire::ServiceSpec> {
        self.words.push("--".into());
        self.words.push(image.value.clone());
        self.words.extend(command.iter().map(|word| word.value.clone()));
        let args = match Cli::try_parse_from(&self.words).map(|cli| cli.command) {
            Ok(Command::Service(ServiceCommand::Create(args))) => args,
            Ok(_) => return None,
            Err(error) => {
                report.error(
                    &self.key.place,
                    &self.key.path,
                    error.to_string().lines().next().unwrap_or_default(),
                );
                return None;
            }
        };
        // Files of variables were read with the Compose file.
        let read_file = |_: &str| Err(io::ErrorKind::Unsupported.into());
        let surroundings = Surroundings { read_file: &read_file, variable: &|_| None };
        let spec = spec::create(&args, &surroundings).and_then(|spec| {
            let mut checked = spec.clone();
            // Names of networks are checked already, and only the managers know what they stand for.
            checked.task.get_or_insert_default().attachments.clear();
            proto::model::ServiceSpec::try_from(checked).map(|_| spec)
        });
        match spec {
            Ok(spec) => Some(spec),
            Err(problems) => {
                for problem in &problems.0 {
                    let (place, path) = self.place_of(problem, image);
                    report.error(place, path, &problem.message);
                }
                None
            }
        }
    }

    /// Where the value stands that a problem is about: the one that it names, or the first one of its option.
    fn place_of<'b>(&'b self, problem: &Problem, image: &'b At<String>) -> (&'b Place, &'b KeyPath) {
        if problem.field == "IMAGE" {
            return (&image.place, &image.path);
        }
        let of_option = || self.made_of.iter().filter(|(option, ..)| *option == problem.field);
        let names = |value: &str| {
            let parts = value.split([',', '=', ':']).filter(|part| !part.is_empty());
            let quoted = |text: &str| problem.message.contains(&format!("`{text}`"));
            quoted(value) || parts.into_iter().any(quoted)
        };
        let named = of_option().find(|(_, value, ..)| names(value));
        let found = named.or_else(|| of_option().next());
        found.map_or((&self.key.place, &self.key.path), |(_, _, place, path)| (place, path))
    }
}
