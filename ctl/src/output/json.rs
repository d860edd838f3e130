//! JSON as docker prints it.

use gotmpl::Value;
use serde::Serialize;
use std::fmt::Write;

/// The objects as an array, indented by four spaces, their fields in the order they are declared.
pub fn indented<T: Serialize>(objects: &T) -> Result<String, serde_json::Error> {
    let mut bytes = Vec::new();
    let style = serde_json::ser::PrettyFormatter::with_indent(b"    ");
    objects.serialize(&mut serde_json::Serializer::with_formatter(&mut bytes, style))?;
    bytes.push(b'\n');
    Ok(String::from_utf8(bytes).expect("serde_json writes UTF-8"))
}

/// What a template sees of an object.
pub fn template_value<T: Serialize>(object: &T) -> Result<Value, serde_json::Error> {
    Ok(from_json(serde_json::to_value(object)?))
}

fn from_json(value: serde_json::Value) -> Value {
    use serde_json::Value as Json;
    match value {
        Json::Null => Value::Nil,
        Json::Bool(flag) => Value::Bool(flag),
        Json::Number(number) => match (number.as_i64(), number.as_u64()) {
            (Some(signed), _) => Value::Int(signed),
            (_, Some(unsigned)) => Value::Uint(unsigned),
            _ => Value::Float(number.as_f64().unwrap_or(f64::NAN)),
        },
        Json::String(text) => Value::String(text.into()),
        Json::Array(items) => Value::List(items.into_iter().map(from_json).collect()),
        Json::Object(fields) => {
            let fields = fields.into_iter().map(|(key, value)| (key.into(), from_json(value)));
            Value::Map(std::sync::Arc::new(fields.collect()))
        }
    }
}

/// A template's value in compact JSON, keys sorted.
pub fn compact(value: &Value) -> String {
    let mut text = String::new();
    write_value(&mut text, value);
    text
}

/// The same with `<`, `>` and `&` escaped, as Go does it for the rows of a list.
pub fn compact_escaped(value: &Value) -> String {
    compact(value).replace('&', "\\u0026").replace('<', "\\u003c").replace('>', "\\u003e")
}

fn write_value(text: &mut String, value: &Value) {
    // Writing to a String can't fail.
    let _ = match value {
        Value::Nil | Value::Function(_) => write!(text, "null"),
        Value::Bool(flag) => write!(text, "{flag}"),
        Value::Int(number) => write!(text, "{number}"),
        Value::Uint(number) => write!(text, "{number}"),
        Value::Float(number) => write!(text, "{}", serde_json::json!(number)),
        Value::String(string) => write!(text, "{}", serde_json::json!(string.as_ref())),
        Value::List(items) => {
            write_all(text, ['[', ']'], items.iter(), write_value);
            Ok(())
        }
        Value::Map(fields) => {
            write_all(text, ['{', '}'], fields.iter(), |text, (key, value)| {
                let _ = write!(text, "{}:", serde_json::json!(key.as_ref()));
                write_value(text, value);
            });
            Ok(())
        }
    };
}

fn write_all<T>(
    text: &mut String,
    [open, close]: [char; 2],
    items: impl Iterator<Item = T>,
    write: fn(&mut String, T),
) {
    text.push(open);
    for (nth, item) in items.enumerate() {
        if nth > 0 {
            text.push(',');
        }
        write(text, item);
    }
    text.push(close);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_keep_the_order_of_their_fields() {
        #[derive(Serialize)]
        struct Thing {
            zebra: u32,
            ant: Vec<&'static str>,
        }
        let text = indented(&[Thing { zebra: 1, ant: vec!["a->b"] }]).unwrap();
        let expected = "[\n    {\n        \"zebra\": 1,\n        \"ant\": [\n            \"a->b\"\n        ]\n    }\n]\n";
        assert_eq!(text, expected);
    }

    #[test]
    fn rows_are_compact_and_escaped_for_html() {
        let value =
            template_value(&serde_json::json!({"b": "x->\"y\"", "a": [1, -2, 0.5, true, null]})).unwrap();
        assert_eq!(compact(&value), r#"{"a":[1,-2,0.5,true,null],"b":"x->\"y\""}"#);
        assert_eq!(compact_escaped(&value), r#"{"a":[1,-2,0.5,true,null],"b":"x-\u003e\"y\""}"#);
    }
}
