//! Go templates with the helper functions docker gives them.

use super::json;
use gotmpl::{MissingKey, Template, TemplateError, Value};

/// Says why a `--format` can't be carried out.
#[derive(Debug, thiserror::Error)]
pub enum FormatError {
    /// Not a template.
    #[error("--format: {0}; see https://docs.docker.com/go/formatting/ for what a template may contain")]
    Parse(TemplateError),
    /// A field the object does not have.
    #[error("--format: there is no field `{field}`: at the top there are {known}")]
    Field {
        /// What the template asked for.
        field: String,
        /// What there is.
        known: String,
    },
    /// Anything else that went wrong.
    #[error("--format: {0}")]
    Execute(TemplateError),
}

/// What the helper functions make of a header: it is to stay readable.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// An object.
    Object,
    /// The names of the columns.
    Header,
}

/// Reads a template; `\t` and `\n` written as two characters mean tab and line end.
pub fn parse(source: &str, target: Target) -> Result<Template, FormatError> {
    let source = source.replace("\\t", "\t").replace("\\n", "\n");
    let template = Template::new("").missing_key(MissingKey::Error);
    with_functions(template, target).parse(&source).map_err(FormatError::Parse)
}

/// Carries a template out.
pub fn execute(template: &Template, object: &Value) -> Result<String, FormatError> {
    template.execute_to_string(object).map_err(|error| match (error, object) {
        (TemplateError::MissingKey { key }, Value::Map(fields)) => {
            let known: Vec<&str> = fields.keys().map(AsRef::as_ref).collect();
            FormatError::Field { field: key, known: known.join(", ") }
        }
        (error, _) => FormatError::Execute(error),
    })
}

fn with_functions(template: Template, target: Target) -> Template {
    let template = template.func("pad", |args| {
        let count = |nth: usize| args.get(nth).and_then(Value::as_int).unwrap_or(0).clamp(0, 1000) as usize;
        Ok(format!("{}{}{}", " ".repeat(count(1)), text(args, 0), " ".repeat(count(2))).into_value())
    });
    if target == Target::Header {
        let names = ["json", "split", "join", "title", "lower", "upper", "truncate"];
        return names.into_iter().fold(template, |template, name| {
            template.func(name, |args| Ok(args.first().cloned().unwrap_or(Value::Nil)))
        });
    }
    template
        .func("json", |args| Ok(json::compact(args.first().unwrap_or(&Value::Nil)).into_value()))
        .func("lower", |args| Ok(text(args, 0).to_lowercase().into_value()))
        .func("upper", |args| Ok(text(args, 0).to_uppercase().into_value()))
        .func("title", |args| Ok(title(&text(args, 0)).into_value()))
        .func("truncate", |args| {
            let most = args.get(1).and_then(Value::as_int).unwrap_or(0).max(0) as usize;
            Ok(text(args, 0).chars().take(most).collect::<String>().into_value())
        })
        .func("split", |args| {
            let (whole, separator) = (text(args, 0), text(args, 1));
            Ok(Value::List(whole.split(separator.as_str()).map(Value::from).collect()))
        })
        .func("join", |args| {
            let items = match args.first() {
                Some(Value::List(items)) => items.iter().map(ToString::to_string).collect(),
                _ => vec![text(args, 0)],
            };
            Ok(items.join(&text(args, 1)).into_value())
        })
}

fn text(args: &[Value], nth: usize) -> String {
    args.get(nth).map(ToString::to_string).unwrap_or_default()
}

/// Each word with its first letter in capitals.
fn title(text: &str) -> String {
    text.split_inclusive(char::is_whitespace).map(super::quote::capitalised).collect()
}

trait IntoValue {
    fn into_value(self) -> Value;
}

impl IntoValue for String {
    fn into_value(self) -> Value {
        Value::from(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(source: &str) -> Result<String, FormatError> {
        let object = serde_json::json!({"ID": "abc", "Spec": {"Name": "web app", "Labels": {"tier": "front"}}, "N": 3});
        execute(&parse(source, Target::Object)?, &json::template_value(&object).unwrap())
    }

    #[test]
    fn templates_have_dockers_functions() {
        for (source, expected) in [
            ("{{.ID}}\\t{{.N}}", "abc\t3"),
            ("{{json .Spec.Labels}}", r#"{"tier":"front"}"#),
            ("{{upper .ID}} {{title .Spec.Name}} {{truncate .Spec.Name 3}}", "ABC Web App web"),
            (r#"{{join (split .Spec.Name " ") "-"}}"#, "web-app"),
            (r#"{{pad .ID 1 2}}|"#, " abc  |"),
            (r#"{{index .Spec.Labels "tier"}}"#, "front"),
            (r#"{{if eq .N 3}}three{{end}}"#, "three"),
            (r#"{{printf "%-5s|" .ID}}"#, "abc  |"),
        ] {
            assert_eq!(run(source).unwrap(), expected, "{source}");
        }
    }

    #[test]
    fn an_unknown_field_is_refused_with_those_there_are() {
        let error = run("{{.Nope}}").unwrap_err().to_string();
        assert_eq!(error, "--format: there is no field `Nope`: at the top there are ID, N, Spec");
        assert!(run("{{.ID").unwrap_err().to_string().starts_with("--format: template: "));
    }

    #[test]
    fn functions_leave_a_header_as_it_is() {
        let template = parse("{{upper .ID}} {{json .N}}", Target::Header).unwrap();
        let header = json::template_value(&serde_json::json!({"ID": "Id", "N": "Count"})).unwrap();
        assert_eq!(execute(&template, &header).unwrap(), "Id Count");
    }
}
