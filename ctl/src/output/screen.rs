//! Progress as text: bars that are drawn over on a terminal, changes a line each elsewhere.

use super::{
    progress::{Line, Step},
    quote, states,
};
use proto::wire::TaskState;
use std::fmt::Write;

/// The most places that get a line of their own.
pub const LINES_MAX: usize = 20;
const BAR_CHARS: usize = 50;
/// A terminal narrower than this has no room for bars.
const BAR_WIDTH_MIN: usize = 80;

/// The states a task goes through on its way, in order.
const WAY: [TaskState; 8] = [
    TaskState::New,
    TaskState::Pending,
    TaskState::Assigned,
    TaskState::Accepted,
    TaskState::Preparing,
    TaskState::Ready,
    TaskState::Starting,
    TaskState::Running,
];

/// What changed since the step before, a line each. Services with many places only tell how many run
/// and what is wrong.
pub fn changes(before: Option<&Step>, step: &Step) -> Vec<String> {
    let many = step.lines.len() > LINES_MAX;
    let was = |line: &Line| before.and_then(|step| step.lines.iter().find(|old| old.name == line.name));
    let same = |old: &Line, line: &Line| (old.state, &old.reason) == (line.state, &line.reason);
    let mut lines: Vec<String> = step
        .lines
        .iter()
        .filter(|line| line.state.is_some() && (!many || !line.reason.is_empty()))
        .filter(|line| !was(line).is_some_and(|old| same(old, line)))
        .map(|line| format!("{}: {}", line.name, standing(line)))
        .collect();
    if before.is_none_or(|before| (before.arrived, before.wanted) != (step.arrived, step.wanted)) {
        lines.push(overall(step));
    }
    if step.watching && step.look_again_ms.is_some() && !before.is_some_and(|before| before.watching) {
        lines.push(WATCHING.to_owned());
    }
    lines
}

const WATCHING: &str = "verify: watching for a moment that the tasks stay up";

fn overall(step: &Step) -> String {
    format!("overall progress: {} out of {} tasks", step.arrived, step.wanted)
}

fn standing(line: &Line) -> String {
    let state = line.state.map_or("", states::task);
    if line.reason.is_empty() {
        state.to_owned()
    } else {
        format!("{state}: {}", quote::one_line(&line.reason))
    }
}

/// The whole state for a terminal of `width` columns.
pub fn picture(step: &Step, width: usize) -> Vec<String> {
    let mut lines = vec![overall(step)];
    if step.lines.len() <= LINES_MAX {
        let places = step.lines.len().max(step.wanted.min(LINES_MAX));
        let numbered = |nth: usize| {
            step.lines
                .get(nth)
                .map_or_else(|| format!("{}/{}:", nth + 1, step.wanted), |line| place(nth, line, step, width))
        };
        lines.extend((0..places).map(numbered));
    }
    if step.watching && step.outcome.is_none() {
        lines.push(WATCHING.to_owned());
    }
    lines.iter().map(|line| quote::shorten(line, width)).collect()
}

fn place(nth: usize, line: &Line, step: &Step, width: usize) -> String {
    let numbered = line.name.rsplit('.').next().is_some_and(|slot| slot.parse::<u64>().is_ok());
    let name = if numbered { format!("{}/{}", nth + 1, step.wanted) } else { line.name.clone() };
    match line.state {
        Some(state) if line.reason.is_empty() && !line.before.is_empty() => {
            format!("{name}: {} (before: {})", states::task(state), quote::one_line(&line.before))
        }
        Some(state) if line.reason.is_empty() && width >= BAR_WIDTH_MIN => {
            format!("{name}: {:<9} {}", states::task(state), bar(state))
        }
        _ => format!("{name}: {}", standing(line)),
    }
}

/// How far along the way a task is.
fn bar(state: TaskState) -> String {
    let Some(done) = WAY.iter().position(|&on_way| on_way == state) else { return String::new() };
    let filled = BAR_CHARS * (done + 1) / WAY.len();
    format!("[{}>{}]", "=".repeat(filled), " ".repeat(BAR_CHARS - filled))
}

/// Draws `lines` over the `drawn` lines that were drawn before.
pub fn redraw(drawn: usize, lines: &[String]) -> String {
    let mut text = String::new();
    if drawn > 0 {
        // Writing to a String can't fail.
        let _ = write!(text, "\x1b[{drawn}A");
    }
    for line in lines {
        let _ = writeln!(text, "\x1b[2K{line}");
    }
    if lines.len() < drawn {
        text.push_str("\x1b[J");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn step(lines: &[(&str, Option<TaskState>, &str)]) -> Step {
        let line = |(name, state, reason): &(&str, Option<TaskState>, &str)| Line {
            name: name.to_string(),
            state: *state,
            reason: reason.to_string(),
            before: String::new(),
        };
        Step {
            arrived: 1,
            wanted: 3,
            lines: lines.iter().map(line).collect(),
            watching: false,
            look_again_ms: None,
            outcome: None,
        }
    }

    #[test]
    fn a_terminal_shows_a_bar_for_each_task() {
        let step = step(&[
            ("web.1", Some(TaskState::Running), ""),
            ("web.2", Some(TaskState::Pending), "0 of 2 nodes\nfit"),
        ]);
        let expected = [
            "overall progress: 1 out of 3 tasks",
            "1/3: running   [==================================================>]",
            "2/3: pending: 0 of 2 nodes fit",
            "3/3:",
        ];
        assert_eq!(picture(&step, 100), expected);
        assert_eq!(picture(&step, 20)[1..], ["1/3: running", "2/3: pending: 0 of …", "3/3:"]);
    }

    #[test]
    fn a_replacement_shows_why_the_task_before_it_ended() {
        let mut step = step(&[("web.1", Some(TaskState::Starting), "")]);
        step.lines[0].before = "exited with code 1".into();
        assert_eq!(picture(&step, 100)[1], "1/3: starting (before: exited with code 1)");
        assert_eq!(changes(None, &step)[0], "web.1: starting", "a line above has told it");
    }

    #[test]
    fn many_tasks_are_only_counted_and_their_troubles_told() {
        let names: Vec<String> = (1..=21).map(|nth| format!("web.{nth}")).collect();
        let mut lines: Vec<_> =
            names.iter().map(|name| (name.as_str(), Some(TaskState::Running), "")).collect();
        lines[4] = ("web.5", Some(TaskState::Rejected), "no such image");
        assert_eq!(picture(&step(&lines), 100).len(), 1);
        assert_eq!(
            changes(None, &step(&lines)),
            ["web.5: rejected: no such image", "overall progress: 1 out of 3 tasks"]
        );
    }

    #[test]
    fn a_picture_is_drawn_over_the_one_before() {
        assert_eq!(redraw(0, &["a".into()]), "\x1b[2Ka\n");
        assert_eq!(redraw(3, &["b".into()]), "\x1b[3A\x1b[2Kb\n\x1b[J");
    }
}
