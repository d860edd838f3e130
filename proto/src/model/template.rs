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
pub struct Template(Vec<Part>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Part {
    Text(String),
    Field(TemplateField),
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
        let write = |part: &Part| match part {
            Part::Text(text) => text.clone(),
            Part::Field(field) => value(field),
        };
        self.0.iter().map(write).collect()
    }
}

impl FromStr for Template {
    type Err = TemplateError;

    fn from_str(text: &str) -> Result<Self, TemplateError> {
        let mut parts = Vec::new();
        let mut rest = text;
        while let Some((before, after)) = rest.split_once(OPEN) {
            let shown = || text.chars().take(60).collect();
            let (expression, after) = after.split_once(CLOSE).ok_or_else(|| TemplateError::Open(shown()))?;
            parts.push(Part::Text(before.to_owned()));
            parts.push(Part::Field(field(expression.trim())?));
            rest = after;
        }
        parts.push(Part::Text(rest.to_owned()));
        Ok(Self(parts))
    }
}

fn field(expression: &str) -> Result<TemplateField, TemplateError> {
    let unknown = || TemplateError::Field(expression.chars().take(60).collect());
    Ok(match expression {
        ".Service.ID" => TemplateField::ServiceId,
        ".Service.Name" => TemplateField::ServiceName,
        ".Node.ID" => TemplateField::NodeId,
        ".Node.Hostname" => TemplateField::NodeHostname,
        ".Node.Platform.OS" => TemplateField::NodeOs,
        ".Node.Platform.Architecture" => TemplateField::NodeArch,
        ".Task.ID" => TemplateField::TaskId,
        ".Task.Name" => TemplateField::TaskName,
        ".Task.Slot" => TemplateField::TaskSlot,
        _ => TemplateField::ServiceLabel(label(expression).ok_or_else(unknown)?.to_owned()),
    })
}

/// The label that an expression asks for.
fn label(expression: &str) -> Option<&str> {
    if let Some(name) = expression.strip_prefix(".Service.Labels.") {
        // What follows a further dot would be a field of the label.
        let is_name = |c: char| c.is_ascii_alphanumeric() || c == '_';
        return (!name.is_empty() && name.chars().all(is_name)).then_some(name);
    }
    let quoted = expression.strip_prefix("index")?.trim_start().strip_prefix(".Service.Labels")?.trim();
    let name = quoted.strip_prefix('"')?.strip_suffix('"')?;
    (!name.is_empty() && !name.contains(['"', '\\'])).then_some(name)
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
