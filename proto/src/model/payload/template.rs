//! Contents in which tasks differ: expressions as in other texts of a service, and what else the task has.
//!
//! What is wrong is said by line only: the text itself may be a secret.

use crate::model::{
    Template, TemplateField,
    template::{self, Fault},
};

/// A content with expressions in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContentTemplate(Template<ContentField>);

/// What an expression in a content stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ContentField {
    /// What may stand in any text of a service.
    Field(TemplateField),
    /// `secret "TARGET"`: what the task finds in that file, as it is without expressions filled in.
    Secret(String),
    /// `config "TARGET"`
    Config(String),
    /// `env "NAME"`: a variable that the service sets.
    Env(String),
}

/// Says why a content is no template.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContentTemplateError {
    /// It is not UTF-8.
    #[error("it is not text in UTF-8, in which nothing can be filled in: leave --template-driver out")]
    NotText,
    /// An expression has no end.
    #[error("line {line} has a {{{{ without }}}}")]
    Open {
        /// The line, from 1.
        line: usize,
    },
    /// An expression stands for nothing.
    #[error(
        "line {line} has an expression that is not known: use secret \"TARGET\", config \"TARGET\", env \"NAME\", .Service.ID, .Service.Name, .Service.Labels.NAME, .Node.ID, .Node.Hostname, .Node.Platform.OS, .Node.Platform.Architecture, .Task.ID, .Task.Name or .Task.Slot"
    )]
    Unknown {
        /// The line, from 1.
        line: usize,
    },
}

impl ContentTemplate {
    /// Reads a content.
    pub fn read(bytes: &[u8]) -> Result<Self, ContentTemplateError> {
        let text = std::str::from_utf8(bytes).map_err(|_| ContentTemplateError::NotText)?;
        let line = |at: usize| text[..at].matches('\n').count() + 1;
        Template::read(text, field).map(Self).map_err(|fault| match fault {
            Fault::Open { at } => ContentTemplateError::Open { line: line(at) },
            Fault::Unknown { at, .. } => ContentTemplateError::Unknown { line: line(at) },
        })
    }

    /// Writes the content with the values that `value` tells, if it knows all of them.
    pub fn fill<E>(&self, value: impl Fn(&ContentField) -> Result<String, E>) -> Result<String, E> {
        self.0.try_fill(value)
    }
}

fn field(expression: &str) -> Option<ContentField> {
    let named = |word: &str| template::quoted(expression.strip_prefix(word)?).map(str::to_owned);
    let secret = named("secret").map(ContentField::Secret);
    let other = || named("config").map(ContentField::Config).or_else(|| named("env").map(ContentField::Env));
    secret.or_else(other).or_else(|| template::field(expression).map(ContentField::Field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> Result<String, ContentTemplateError> {
        let value = |field: &ContentField| Ok(format!("<{field:?}>"));
        ContentTemplate::read(text.as_bytes())?.fill(value)
    }

    #[test]
    fn other_files_and_variables_of_the_task_can_be_filled_in() {
        for (text, expected) in [
            ("a {{secret \"key\"}} b", "a <Secret(\"key\")> b"),
            ("{{ config \"/etc/app\" }}", "<Config(\"/etc/app\")>"),
            ("{{env \"MODE\"}}!", "<Env(\"MODE\")>!"),
            ("{{.Task.Slot}}", "<Field(TaskSlot)>"),
            ("nothing }} here", "nothing }} here"),
        ] {
            assert_eq!(filled(text).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_wrong_is_said_by_line_and_never_shown() {
        for (text, expected) in [
            ("password\n{{nope hunter2}}", ContentTemplateError::Unknown { line: 2 }),
            ("a\nb\n{{ hunter2", ContentTemplateError::Open { line: 3 }),
            ("{{secret hunter2}}", ContentTemplateError::Unknown { line: 1 }),
        ] {
            let error = filled(text).unwrap_err();
            assert_eq!(error, expected);
            assert!(!error.to_string().contains("hunter2"));
        }
        assert_eq!(ContentTemplate::read(b"\xff"), Err(ContentTemplateError::NotText));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_reader_panic(text in "[{}. a-zA-Z\"\n\u{e9}]{0,40}") {
            let _ = filled(&text);
        }
    }
}
