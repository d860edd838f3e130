//! Reading a file: anchors and aliases, merge keys, tags, and keys that are given twice.

use super::scalar;
use crate::{
    node::{Key, Map, MergeTag, Node, Value},
    place::{KeyPath, Place},
    report::Report,
};
use granit_parser::{Event, Marker, Parser, ScalarStyle, Span, StrInput, Tag};
use std::{collections::BTreeMap, sync::Arc};

/// The most values a file may have once its aliases are written out: a few lines of aliases of aliases could fill the memory.
const NODES_MAX: usize = 200_000;

/// Reads the documents of a file. What is wrong is noted; a file that is no YAML has none.
pub fn documents(file: &str, text: &str, report: &Report) -> Vec<Node> {
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let mut reader = Reader {
        file: file.into(),
        parser: Parser::new_from_str(text),
        anchors: BTreeMap::new(),
        nodes: 0,
        report,
    };
    match reader.documents() {
        Ok(documents) => documents,
        Err(Stop { place, message }) => {
            report.error(&place, &KeyPath::root(), message);
            Vec::new()
        }
    }
}

struct Reader<'a> {
    file: Arc<str>,
    parser: Parser<'a, StrInput<'a>>,
    anchors: BTreeMap<usize, (Node, usize)>,
    nodes: usize,
    report: &'a Report,
}

/// Why the rest of the file can't be read.
struct Stop {
    place: Place,
    message: String,
}

type Read<T> = Result<T, Stop>;

impl<'a> Reader<'a> {
    fn place(&self, mark: &Marker) -> Place {
        Place { file: self.file.clone(), line: mark.line().max(1), column: mark.col() + 1 }
    }

    fn next(&mut self) -> Read<Option<(Event<'a>, Span)>> {
        match self.parser.next_event() {
            None => Ok(None),
            Some(Ok(event)) => Ok(Some(event)),
            Some(Err(error)) => Err(Stop {
                place: self.place(error.marker()),
                message: format!("not valid YAML: {}", error.info()),
            }),
        }
    }

    fn documents(&mut self) -> Read<Vec<Node>> {
        let mut documents = Vec::new();
        while let Some((event, span)) = self.next()? {
            match event {
                Event::DocumentStart(..) => self.anchors.clear(),
                Event::StreamStart | Event::StreamEnd | Event::DocumentEnd => {}
                event => documents.push(self.node(event, &span)?),
            }
        }
        Ok(documents)
    }

    fn count(&mut self, more: usize, place: &Place) -> Read<()> {
        self.nodes += more;
        if self.nodes > NODES_MAX {
            let message = format!("more than {NODES_MAX} values, with aliases written out: split the file");
            return Err(Stop { place: place.clone(), message });
        }
        Ok(())
    }

    fn node(&mut self, event: Event<'a>, span: &Span) -> Read<Node> {
        let place = self.place(&span.start);
        self.count(1, &place)?;
        let before = self.nodes;
        let (value, anchor, tag) = match event {
            Event::Alias(id) => {
                let Some((node, size)) = self.anchors.get(&id).cloned() else {
                    let message = "the alias stands inside of what it names".to_owned();
                    return Err(Stop { place, message });
                };
                self.count(size, &place)?;
                return Ok(node);
            }
            Event::Scalar(text, style, anchor, tag) => {
                (self.scalar(&text, style, tag.as_deref()), anchor, tag)
            }
            Event::SequenceStart(_, anchor, tag) => (Value::List(self.list()?), anchor, tag),
            Event::MappingStart(_, anchor, tag) => (Value::Map(self.map()?), anchor, tag),
            _ => return Err(Stop { place, message: "not valid YAML: a value is missing".into() }),
        };
        let tag = tag.as_deref().and_then(merge_tag);
        let node = Node { value, place, tag };
        if anchor > 0 {
            self.anchors.insert(anchor, (node.clone(), self.nodes - before));
        }
        Ok(node)
    }

    fn scalar(&self, text: &str, style: ScalarStyle, tag: Option<&Tag>) -> Value {
        match tag.and_then(Tag::core_suffix) {
            Some("str") => Value::Text(text.to_owned()),
            Some(_) => scalar::resolve(text),
            None if style == ScalarStyle::Plain => scalar::resolve(text),
            None => Value::Text(text.to_owned()),
        }
    }

    fn list(&mut self) -> Read<Vec<Node>> {
        let mut list = Vec::new();
        loop {
            match self.next()? {
                Some((Event::SequenceEnd, _)) | None => return Ok(list),
                Some((event, span)) => list.push(self.node(event, &span)?),
            }
        }
    }

    fn map(&mut self) -> Read<Map> {
        let mut map = Map::default();
        let mut merged: Option<Node> = None;
        loop {
            let (event, span) = match self.next()? {
                Some((Event::MappingEnd, _)) | None => break,
                Some(event) => event,
            };
            let is_merge = matches!(&event, Event::Scalar(text, ScalarStyle::Plain, _, _) if text == "<<");
            let place = self.place(&span.start);
            // A key is what is written: 8080 stays 8080.
            let written = if let Event::Scalar(text, ..) = &event { Some(text.to_string()) } else { None };
            let key = self.node(event, &span)?;
            let Some((event, span)) = self.next()? else { break };
            let node = self.node(event, &span)?;
            let Some(text) = written.or_else(|| key.scalar_text()) else {
                self.report.error(&place, &KeyPath::root(), "a key is a text: this is a list or a map");
                continue;
            };
            let twice = if is_merge {
                merged.as_ref().map(|node| &node.place)
            } else {
                map.entry(&text).map(|(key, _)| &key.place)
            };
            if let Some(first) = twice {
                let message = format!("key `{text}` is given twice: the first one is at line {}", first.line);
                self.report.error(&place, &KeyPath::root(), message);
            } else if is_merge {
                merged = Some(node);
            } else {
                map.set(Key { text, place }, node);
            }
        }
        if let Some(merged) = merged {
            self.merge(&mut map, merged);
        }
        Ok(map)
    }

    /// Adds what a merge key names; keys of the map itself stay, and of several maps the first one counts.
    fn merge(&self, map: &mut Map, merged: Node) {
        match merged.value {
            Value::Map(more) => {
                for (key, node) in more {
                    if map.get(&key.text).is_none() {
                        map.set(key, node);
                    }
                }
            }
            Value::List(maps) if maps.iter().all(|node| node.as_map().is_some()) => {
                for one in maps {
                    self.merge(map, one);
                }
            }
            other => {
                let message = format!("<< takes a map or a list of maps, and this is {}", other.kind());
                self.report.error(&merged.place, &KeyPath::root(), message);
            }
        }
    }
}

fn merge_tag(tag: &Tag) -> Option<MergeTag> {
    match tag.parts() {
        ("!", "reset") => Some(MergeTag::Reset),
        ("!", "override") => Some(MergeTag::Override),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Vec<Node>, Vec<String>) {
        let report = Report::default();
        let documents = documents("f", text, &report);
        (documents, report.errors().iter().map(ToString::to_string).collect())
    }

    #[test]
    fn every_value_knows_its_place() {
        let (documents, errors) = read("a:\n  - b: 1\n    'c': [x, \"y\"]\n");
        assert_eq!(errors, [""; 0]);
        let a = documents[0].as_map().unwrap().get("a").unwrap();
        let item = &a.as_list().unwrap()[0];
        let (key, node) = item.as_map().unwrap().entry("c").unwrap();
        assert_eq!((key.place.to_string(), node.place.to_string()), ("f:3:5".into(), "f:3:10".into()));
        assert_eq!(node.as_list().unwrap()[1].place.to_string(), "f:3:14");
    }

    #[test]
    fn anchors_and_merge_keys_are_written_out() {
        let (documents, errors) = read(
            "x: &x {a: 1, b: 2}\ny: &y {b: 3, c: 4}\nz:\n  <<: [*x, *y]\n  a: 0\nw: {<<: *x}\nv: *x\n'<<': 7\n",
        );
        assert_eq!(errors, [""; 0]);
        let root = documents[0].as_map().unwrap();
        let shown = |key: &str| {
            let map = root.get(key).unwrap().as_map().unwrap();
            map.iter().map(|(key, node)| format!("{}{}", key.text, node.value)).collect::<Vec<_>>().join(" ")
        };
        assert_eq!((shown("z"), shown("w"), shown("v")), ("a0 b2 c4".into(), "a1 b2".into(), "a1 b2".into()));
        assert_eq!(root.get("<<").unwrap().value, Value::Int(7));
    }

    #[test]
    fn keys_given_twice_are_all_named() {
        let (_, errors) = read("a: 1\na: 2\nb:\n  c: 1\n  c: 2\n");
        assert_eq!(
            errors,
            [
                "f:2:1: key `a` is given twice: the first one is at line 1",
                "f:5:3: key `c` is given twice: the first one is at line 4"
            ]
        );
    }

    #[test]
    fn what_is_no_yaml_is_refused_at_its_place() {
        for (text, place) in
            [("a: [1\n", "f:"), ("a: b: c\n", "f:1:"), ("a:\n\tb: 1\n", "f:2:"), ("a: *b\n", "f:1:4")]
        {
            let (_, errors) = read(text);
            assert_eq!(errors.len(), 1, "{text}: {errors:?}");
            assert!(errors[0].starts_with(place), "{text}: {errors:?}");
        }
    }

    #[test]
    fn aliases_of_aliases_do_not_fill_the_memory() {
        let mut text = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
        for nth in 1..12 {
            let alias = format!("*a{}", nth - 1);
            let aliases = [alias.as_str(); 10].join(", ");
            text.push_str(&format!("a{nth}: &a{nth} [{aliases}]\n"));
        }
        let (_, errors) = read(&text);
        assert!(errors[0].contains("more than 200000 values"), "{errors:?}");
    }

    #[test]
    fn tags_say_how_a_value_is_merged() {
        let (documents, _) = read("a: !reset null\nb: !override [1]\nc: !!str 12\nd: !other x\n");
        let tags: Vec<_> = documents[0].as_map().unwrap().iter().map(|(_, node)| node.tag).collect();
        assert_eq!(tags, [Some(MergeTag::Reset), Some(MergeTag::Override), None, None]);
        assert_eq!(documents[0].as_map().unwrap().get("c").unwrap().value, Value::Text("12".into()));
    }
}
