//! What all inspections share: an array of JSON, or a template's text for each object.

use super::Session;
use crate::{
    error::CliError,
    output::{
        json,
        template::{self, Target},
    },
};
use serde::Serialize;

/// Prints the objects as `--format` asks.
pub fn print<T: Serialize>(session: &Session, objects: &[T], format: Option<&str>) -> Result<(), CliError> {
    Ok(session.printer.data(text(objects, format)?)?)
}

fn text<T: Serialize>(objects: &[T], format: Option<&str>) -> Result<String, CliError> {
    let Some(format) = format else { return Ok(json::indented(&objects)?) };
    let mut text = String::new();
    let template = if format == "json" { None } else { Some(template::parse(format, Target::Object)?) };
    for object in objects {
        text += &match &template {
            None => serde_json::to_string(object)?,
            Some(template) => template::execute(template, &json::template_value(object)?)?,
        };
        text.push('\n');
    }
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_are_an_array_or_a_line_each() {
        let objects = [serde_json::json!({"ID": "a"}), serde_json::json!({"ID": "b"})];
        assert_eq!(text(&objects[..1], None).unwrap(), "[\n    {\n        \"ID\": \"a\"\n    }\n]\n");
        assert_eq!(text(&objects, Some("json")).unwrap(), "{\"ID\":\"a\"}\n{\"ID\":\"b\"}\n");
        assert_eq!(text(&objects, Some("{{.ID}}")).unwrap(), "a\nb\n");
        assert_eq!(text(&objects[..0], None).unwrap(), "[]\n");
        assert!(text(&objects, Some("{{.Id}}")).is_err());
    }
}
