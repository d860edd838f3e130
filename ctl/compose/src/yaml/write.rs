//! Writing a tree so that it reads as the same tree again.

use super::scalar;
use crate::node::{Node, Value};
use std::fmt::Write;

/// The tree as text. A `$` is written `$$`, so that nothing is filled in when it is read again.
pub fn to_text(node: &Node) -> String {
    let mut text = String::new();
    match &node.value {
        Value::Map(map) if !map.is_empty() => write_map(&mut text, node, 0),
        Value::List(list) if !list.is_empty() => write_list(&mut text, node, 0),
        _ => {
            write_scalar(&mut text, node);
            text.push('\n');
        }
    }
    text
}

fn write_map(out: &mut String, node: &Node, indent: usize) {
    for (nth, (key, value)) in node.as_map().into_iter().flat_map(|map| map.iter()).enumerate() {
        // The first key of an element stands behind its dash.
        if nth > 0 || !out.ends_with("- ") {
            push_indent(out, indent);
        }
        out.push_str(&quoted(&key.text));
        out.push(':');
        match &value.value {
            Value::Map(map) if !map.is_empty() => {
                out.push('\n');
                write_map(out, value, indent + 2);
            }
            Value::List(list) if !list.is_empty() => {
                out.push('\n');
                write_list(out, value, indent + 2);
            }
            _ => {
                out.push(' ');
                write_scalar(out, value);
                out.push('\n');
            }
        }
    }
}

fn write_list(out: &mut String, node: &Node, indent: usize) {
    for (nth, value) in node.as_list().into_iter().flatten().enumerate() {
        if nth > 0 || !out.ends_with("- ") {
            push_indent(out, indent);
        }
        out.push_str("- ");
        match &value.value {
            Value::Map(map) if !map.is_empty() => write_map(out, value, indent + 2),
            Value::List(list) if !list.is_empty() => write_list(out, value, indent + 2),
            _ => {
                write_scalar(out, value);
                out.push('\n');
            }
        }
    }
}

fn push_indent(out: &mut String, indent: usize) {
    out.extend(std::iter::repeat_n(' ', indent));
}

fn write_scalar(out: &mut String, node: &Node) {
    match &node.value {
        Value::Text(text) => out.push_str(&quoted(&text.replace('$', "$$"))),
        Value::Float(number) if number.is_nan() => out.push_str(".nan"),
        Value::Float(number) if number.is_infinite() => {
            out.push_str(if *number > 0.0 { ".inf" } else { "-.inf" });
        }
        // Always with a point or an exponent, so that it stays what it is.
        Value::Float(number) => write!(out, "{number:?}").expect("a text takes everything"),
        Value::List(_) => out.push_str("[]"),
        Value::Map(_) => out.push_str("{}"),
        other => out.push_str(&other.to_string()),
    }
}

/// The text as it is where that reads as the same text in every YAML parser, else in double quotes.
fn quoted(text: &str) -> String {
    let first = |c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '/' | '.' | '$');
    let inner = |c: char| {
        c.is_ascii_alphanumeric()
            || matches!(c, '_' | '/' | '.' | '-' | '+' | '=' | '@' | '$' | '(' | ')' | ';')
    };
    let is_plain = text.starts_with(first)
        && text.chars().all(|c| inner(c) || matches!(c, ' ' | ':'))
        && !text.contains(": ")
        && !text.ends_with([' ', ':'])
        && !text.contains("  ");
    let old_truths = ["y", "n", "yes", "no", "on", "off"];
    let means_itself = scalar::resolve(text) == Value::Text(text.to_owned())
        && !old_truths.contains(&text.to_ascii_lowercase().as_str());
    // An address, an image with a port or a range of versions begins with a digit and still is a text.
    let is_dotted = text.starts_with(|c: char| c.is_ascii_digit())
        && text.chars().all(inner)
        && text.contains(['.', '-']);
    if (is_plain || is_dotted) && means_itself {
        return text.to_owned();
    }
    let mut out = String::from('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\t' => out.push_str("\\t"),
            '\r' => out.push_str("\\r"),
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}' | '\u{feff}' | '\u{85}') => {
                write!(out, "\\U{:08x}", u32::from(c)).expect("a text takes everything");
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        node::{Key, Map},
        place::Place,
        report::Report,
        yaml,
    };
    use proptest::prelude::*;

    fn arbitrary() -> impl Strategy<Value = Node> {
        let node = |value| Node::new(value, Place::start_of("f"));
        let scalar = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::Bool),
            any::<i64>().prop_map(|number| Value::Int(number.into())),
            (-1e9..1e9f64).prop_map(Value::Float),
            "[ -~]{0,12}".prop_map(Value::Text),
            "\\PC{0,6}".prop_map(Value::Text),
            "[a-z0-9.:\\n\\t#-]{0,8}".prop_map(Value::Text),
        ];
        scalar.prop_map(node).prop_recursive(4, 40, 5, move |inner| {
            let key = "[ -~]{1,8}".prop_map(|text| Key { text, place: Place::start_of("f") });
            prop_oneof![
                prop::collection::vec(inner.clone(), 0..5).prop_map(Value::List),
                prop::collection::vec((key, inner), 0..5)
                    .prop_map(|entries| Value::Map(entries.into_iter().collect::<Map>())),
            ]
            .prop_map(node)
        })
    }

    fn unescaped(node: &mut Node) {
        match &mut node.value {
            Value::Text(text) => *text = text.replace("$$", "$"),
            Value::List(list) => list.iter_mut().for_each(unescaped),
            Value::Map(map) => map.iter_mut().for_each(|(_, node)| unescaped(node)),
            _ => {}
        }
    }

    proptest! {
        #[test]
        fn what_is_written_reads_as_the_same_again(node in arbitrary()) {
            let text = to_text(&node);
            let report = Report::default();
            let mut read = yaml::documents("f", &text, &report);
            prop_assert_eq!(report.errors().len(), 0, "{}\n{:?}", text, report.errors());
            prop_assert_eq!(read.len(), 1, "{}", text);
            unescaped(&mut read[0]);
            prop_assert_eq!(&read[0], &node, "{}", text);
        }
    }
}
