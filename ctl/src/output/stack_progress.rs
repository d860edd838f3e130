//! How far a stack is: a line for each service.

use super::progress::{Line, Step};
use proto::wire::TaskState;

/// One service of the stack.
pub struct Part {
    /// Its name.
    pub name: String,
    /// How far it is, once that is known.
    pub step: Option<Step>,
}

/// All services as one step.
pub fn together<'a>(parts: impl Iterator<Item = &'a Part>) -> Step {
    let mut all =
        Step { arrived: 0, wanted: 0, lines: Vec::new(), watching: true, look_again_ms: None, outcome: None };
    for part in parts {
        let Some(step) = &part.step else {
            all.watching = false;
            continue;
        };
        all.arrived += step.arrived;
        all.wanted += step.wanted;
        all.watching &= step.watching;
        all.look_again_ms = [all.look_again_ms, step.look_again_ms].into_iter().flatten().min();
        all.lines.push(line(&part.name, step));
    }
    all
}

/// The place of a service that has come least far stands for it.
fn line(name: &str, step: &Step) -> Line {
    let behind = step.lines.iter().min_by_key(|line| line.state.map_or(0, |state| state as i32));
    let state = behind.map_or(Some(TaskState::New), |line| line.state);
    let waits = step.lines.iter().find(|line| !line.reason.is_empty());
    let arrived = step.arrived == step.wanted;
    Line {
        name: format!("{name} {}/{}", step.arrived, step.wanted),
        state,
        reason: waits.filter(|_| !arrived).map(|line| line.reason.clone()).unwrap_or_default(),
        before: behind.map(|line| line.before.clone()).unwrap_or_default(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn part(name: &str, states: &[(TaskState, &str)]) -> Part {
        let line = |(state, reason): &(TaskState, &str)| Line {
            name: format!("{name}.1"),
            state: Some(*state),
            reason: reason.to_string(),
            before: String::new(),
        };
        let arrived = states.iter().filter(|(state, _)| *state == TaskState::Running).count();
        let lines = states.iter().map(line).collect();
        let step = Step {
            arrived,
            wanted: states.len(),
            lines,
            watching: false,
            look_again_ms: None,
            outcome: None,
        };
        Part { name: name.into(), step: Some(step) }
    }

    #[test]
    fn each_service_is_a_line_that_says_what_holds_it_up() {
        let parts = [
            part(
                "shop_web",
                &[(TaskState::Running, ""), (TaskState::Pending, "waiting for service shop_db")],
            ),
            part("shop_db", &[(TaskState::Running, "")]),
            Part { name: "shop_new".into(), step: None },
        ];
        let step = together(parts.iter());
        assert_eq!((step.arrived, step.wanted, step.watching), (2, 3, false));
        let shown: Vec<_> =
            step.lines.iter().map(|line| (line.name.as_str(), line.state, line.reason.as_str())).collect();
        assert_eq!(
            shown,
            [
                ("shop_web 1/2", Some(TaskState::Pending), "waiting for service shop_db"),
                ("shop_db 1/1", Some(TaskState::Running), "")
            ]
        );
    }
}
