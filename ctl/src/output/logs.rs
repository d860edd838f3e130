//! Lines of tasks' logs, each headed by the task it came from.

use super::{quote, tasks, times};
use proto::wire::{LogLine, Task, log_line::Stream};
use std::collections::BTreeMap;

/// How lines are headed.
#[derive(Debug, Clone, Copy)]
pub struct Style {
    /// Whether a line is printed as it was written, without saying by which task.
    pub raw: bool,
    /// Whether the time is printed.
    pub timestamps: bool,
    /// Whether names of nodes are shown instead of ids.
    pub resolve: bool,
    /// Whether ids of tasks are shown.
    pub task_ids: bool,
    /// Whether ids are kept short.
    pub shorten: bool,
}

/// The longest line that is put together from parts, in bytes; what is longer is printed in pieces.
const LINE_BYTES_MAX: usize = 1 << 20;

/// Puts lines together and heads them.
#[derive(Debug)]
pub struct Composer {
    style: Style,
    heads: BTreeMap<String, String>,
    width: usize,
    open: BTreeMap<(String, i32), Vec<u8>>,
}

impl Composer {
    /// Begins with nothing known.
    pub fn new(style: Style) -> Self {
        Self { style, heads: BTreeMap::new(), width: 0, open: BTreeMap::new() }
    }

    /// Whether the task's lines can be headed.
    pub fn knows(&self, task_id: &str) -> bool {
        self.style.raw || self.heads.contains_key(task_id)
    }

    /// Learns what to call a task.
    pub fn learn(&mut self, task: &Task, hostnames: &BTreeMap<&str, &str>) {
        let mut head = tasks::name(task, self.style.resolve);
        if self.style.task_ids {
            head += &format!(".{}", quote::id(&task.id, self.style.shorten));
        }
        let node = hostnames.get(task.node_id.as_str()).filter(|_| self.style.resolve);
        head += &format!("@{}", node.copied().unwrap_or(&quote::id(&task.node_id, self.style.shorten)));
        self.width = self.width.max(head.chars().count());
        self.heads.insert(task.id.clone(), head);
    }

    /// What to print for a line, and whether it was written to standard error. `None` while more of
    /// the line is to come.
    pub fn line(&mut self, task_id: &str, line: LogLine) -> Option<(Vec<u8>, bool)> {
        let stderr = line.stream() == Stream::Stderr;
        if self.style.raw && !self.style.timestamps {
            return Some((line.data, stderr));
        }
        let key = (task_id.to_owned(), line.stream);
        let mut data = self.open.remove(&key).unwrap_or_default();
        data.extend(line.data);
        if data.last() != Some(&b'\n') {
            if data.len() < LINE_BYTES_MAX {
                self.open.insert(key, data);
                return None;
            }
            data.push(b'\n');
        }
        let mut text = Vec::with_capacity(data.len() + self.width + 40);
        if self.style.timestamps {
            text.extend(format!("{} ", times::rfc3339_nanos(line.at_ns)).into_bytes());
        }
        if !self.style.raw {
            let head = self.heads.get(task_id).map_or(task_id, String::as_str);
            text.extend(format!("{head:<width$}    | ", width = self.width).into_bytes());
        }
        text.extend(data);
        Some((text, stderr))
    }

    /// Ends for the lines whose end never came, to be passed to [`Composer::line`].
    pub fn missing_ends(&self) -> Vec<(String, LogLine)> {
        let end = |(task_id, stream): &(String, i32)| {
            (task_id.clone(), LogLine { at_ns: 0, stream: *stream, data: b"\n".to_vec() })
        };
        self.open.keys().map(end).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::output::fixtures;
    use proto::wire::TaskState;

    const PLAIN: Style =
        Style { raw: false, timestamps: false, resolve: true, task_ids: true, shorten: true };

    fn composer(style: Style) -> Composer {
        let mut composer = Composer::new(style);
        let nodes = [fixtures::node(1)];
        for (start, slot) in [("taska", "1"), ("taskb", "10")] {
            composer.learn(&fixtures::task(start, slot, TaskState::Running), &tasks::hostnames(&nodes));
        }
        composer
    }

    fn line(data: &str) -> LogLine {
        LogLine { at_ns: 1_700_000_000_000_000_001, stream: Stream::Stdout.into(), data: data.into() }
    }

    fn text(printed: Option<(Vec<u8>, bool)>) -> String {
        String::from_utf8(printed.expect("a whole line").0).unwrap()
    }

    #[test]
    fn lines_are_headed_by_their_task_and_aligned() {
        let mut composer = composer(PLAIN);
        assert_eq!(
            text(composer.line(&fixtures::id("taska"), line("hello\n"))),
            "web.1.taska0000000@host-1     | hello\n"
        );
        assert_eq!(
            text(composer.line(&fixtures::id("taskb"), line("hi\n"))),
            "web.10.taskb0000000@host-1    | hi\n"
        );
    }

    #[test]
    fn a_line_in_parts_is_printed_when_it_is_whole() {
        let mut composer = composer(Style { task_ids: false, timestamps: true, ..PLAIN });
        let task = fixtures::id("taska");
        assert_eq!(composer.line(&task, line("one ")), None);
        let whole = text(composer.line(&task, line("two\n")));
        assert_eq!(whole, "2023-11-14T22:13:20.000000001Z web.1@host-1     | one two\n");
        assert_eq!(composer.line(&task, line("no end")), None);
        let ends = composer.missing_ends();
        let last = ends.into_iter().map(|(task, end)| text(composer.line(&task, end))).collect::<String>();
        assert!(last.ends_with("| no end\n"), "{last}");
    }

    #[test]
    fn raw_lines_are_printed_as_they_were_written() {
        let mut composer = Composer::new(Style { raw: true, ..PLAIN });
        assert_eq!(text(composer.line("x", line("part"))), "part");

        let mut composer = Composer::new(Style { raw: true, timestamps: true, ..PLAIN });
        assert_eq!(composer.line("x", line("part ")), None, "a time is said of a whole line");
        assert_eq!(text(composer.line("x", line("of it\n"))), "2023-11-14T22:13:20.000000001Z part of it\n");
    }
}
