//! Texts of a service in which its tasks differ: `{{.Node.Hostname}}` and the like, as docker has them.

use std::{fmt, str::FromStr};

/// How an expression begins.
const OPEN: &str = "{{";
/// How it ends.
const CLOSE: &str = "}}";

/// What an expression stands for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TemplateField {
    /// `.Service.ID`
    ServiceId,
    /// `.Service.Name`
    ServiceName,
    /// `.Service.Labels.NAME`, or `index .Service.Labels "NAME"`; empty if the service has no such label.
    ServiceLabel(String),
    /// `.Node.ID`
    NodeId,
    /// `.Node.Hostname`
    NodeHostname,
    /// `.Node.Platform.OS`
    NodeOs,
    /// `.Node.Platform.Architecture`
    NodeArch,
    /// `.Task.ID`
    TaskId,
    /// `.Task.Name`
    TaskName,
    /// `.Task.Slot`: the number of a replica, the node's id in a global service.
    TaskSlot,
}

/// A text with expressions in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Template<F = TemplateField>(Vec<Part<F>>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part<F> {
    Text(String),
    Field(F),
}

/// What keeps a text from being a template, and where.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fault<'a> {
    /// An expression has no end.
    Open {
        /// Where it begins.
        at: usize,
    },
    /// An expression stands for nothing.
    Unknown {
        /// Where it begins.
        at: usize,
        /// What it says.
        expression: &'a str,
    },
}

/// Says why a text is not a template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TemplateError {
    /// An expression has no end.
    #[error("`{0}` has no }}}} for its {{{{")]
    Open(String),
    /// There is no such field.
    #[error(
        "`{0}` is not known: use .Service.ID, .Service.Name, .Service.Labels.NAME, .Node.ID, .Node.Hostname, .Node.Platform.OS, .Node.Platform.Architecture, .Task.ID, .Task.Name or .Task.Slot"
    )]
    Field(String),
}

impl Template {
    /// Whether a text has expressions at all.
    pub fn is_in(text: &str) -> bool {
        text.contains(OPEN)
    }

    /// The text with something harmless in the place of each expression: what can be checked before there is a task.
    pub fn sample(text: &str) -> Result<String, TemplateError> {
        Ok(text.parse::<Self>()?.fill(|_| "0".to_owned()))
    }

    /// Writes the text with the values that `value` tells.
    pub fn fill(&self, value: impl Fn(&TemplateField) -> String) -> String {
        let write = |part: &Part<TemplateField>| match part {
            Part::Text(text) => text.clone(),
            Part::Field(field) => value(field),
        };
        self.0.iter().map(write).collect()
    }
}

impl<F> Template<F> {
    /// Reads a text whose expressions are what `field` says.
    pub(super) fn read(text: &str, field: impl Fn(&str) -> Option<F>) -> Result<Self, Fault<'_>> {
        let mut parts = Vec::new();
        let mut at = 0;
        while let Some((before, after)) = text[at..].split_once(OPEN) {
            let begin = at + before.len();
            let (expression, _) = after.split_once(CLOSE).ok_or(Fault::Open { at: begin })?;
            let unknown = Fault::Unknown { at: begin, expression: expression.trim() };
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Field(field(expression.trim()).ok_or(unknown)?));
            at = begin + OPEN.len() + expression.len() + CLOSE.len();
        }
        parts.push(Part::Text(text[at..].to_owned()));
        Ok(Self(parts))
    }

    /// Writes the text with the values that `value` tells, if it knows all of them.
    pub(super) fn try_fill<E>(&self, value: impl Fn(&F) -> Result<String, E>) -> Result<String, E> {
        let write = |part: &Part<F>| match part {
            Part::Text(text) => Ok(text.clone()),
            Part::Field(field) => value(field),
        };
        self.0.iter().map(write).collect()
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let shown = |text: &str| text.chars().take(60).collect();
        Self::read(text, field).map_err(|fault| match fault {
            Fault::Open { .. } => TemplateError::Open(shown(text)),
            Fault::Unknown { expression, .. } => TemplateError::Field(shown(expression)),
        })
    }
}

/// What an expression stands for; `None` if for nothing.
pub(super) fn field(expression: &str) -> Option<TemplateField> {
    Some(match expression {
        ".Service.ID" => TemplateField::ServiceId,
        ".Service.Name" => TemplateField::ServiceName,
        ".Node.ID" => TemplateField::NodeId,
        ".Node.Hostname" => TemplateField::NodeHostname,
        ".Node.Platform.OS" => TemplateField::NodeOs,
        ".Node.Platform.Architecture" => TemplateField::NodeArch,
        ".Task.ID" => TemplateField::TaskId,
        ".Task.Name" => TemplateField::TaskName,
        ".Task.Slot" => TemplateField::TaskSlot,
        _ => TemplateField::ServiceLabel(label(expression)?.to_owned()),
    })
}

/// The label that an expression asks for.
fn label(expression: &str) -> Option<&str> {
    if let Some(name) = expression.strip_prefix(".Service.Labels.") {
        // What follows a further dot would be a field of the label.
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        return (!name.is_empty() && name.chars().all(is_name)).then_some(name);
    }
    quoted(expression.strip_prefix("index")?.trim_start().strip_prefix(".Service.Labels")?)
}

/// The text in quotes that follows a word of an expression.
pub(super) fn quoted(rest: &str) -> Option<&str> {
    let text = rest.trim().strip_prefix('"')?.strip_suffix('"')?;
    (!text.is_empty() && !text.contains(['"', '\\'])).then_some(text)
}

impl fmt::Display for TemplateField {
    /// Writes the expression without its braces.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            TemplateField::ServiceId => ".Service.ID",
            TemplateField::ServiceName => ".Service.Name",
            TemplateField::ServiceLabel(name) => return write!(f, "index .Service.Labels \"{name}\""),
            TemplateField::NodeId => ".Node.ID",
            TemplateField::NodeHostname => ".Node.Hostname",
            TemplateField::NodeOs => ".Node.Platform.OS",
            TemplateField::NodeArch => ".Node.Platform.Architecture",
            TemplateField::TaskId => ".Task.ID",
            TemplateField::TaskName => ".Task.Name",
            TemplateField::TaskSlot => ".Task.Slot",
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn filled(text: &str) -> Result<String, TemplateError> {
        Ok(text.parse::<Template>()?.fill(|field| format!("<{field}>")))
    }

    #[test]
    fn expressions_are_filled_in_and_the_rest_is_left_alone() {
        for (text, expected) in [
            ("plain }} text", "plain }} text"),
            ("{{.Node.Hostname}}", "<.Node.Hostname>"),
            ("web-{{ .Task.Slot }}.{{.Service.Name}}!", "web-<.Task.Slot>.<.Service.Name>!"),
            ("{{.Service.Labels.tier}}", "<index .Service.Labels \"tier\">"),
            (
                "{{index .Service.Labels \"com.example/tier\"}}",
                "<index .Service.Labels \"com.example/tier\">",
            ),
        ] {
            assert_eq!(filled(text).unwrap(), expected);
        }
    }

    #[test]
    fn what_is_not_known_is_named() {
        for text in
            ["{{.Node.Name}}", "{{}}", "{{.Service.Labels.a.b}}", "{{index .Node.Labels \"a\"}}", "{{if}}"]
        {
            assert!(matches!(filled(text), Err(TemplateError::Field(_))), "{text}");
        }
        let open = filled("a {{.Task.Slot").unwrap_err().to_string();
        assert_eq!(open, "`a {{.Task.Slot` has no }} for its {{");
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(text in "[{}. a-zA-Z\"]{0,40}") {
            let _ = text.parse::<Template>();
        }
    }
}
