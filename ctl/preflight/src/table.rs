//! The checks as a table for people.

use crate::check::{Check, State};

const HEADINGS: [&str; 3] = ["CHECK", "STATE", "FOUND"];
/// Blanks between two columns.
const GAP: usize = 3;

/// Lists the checks, what to do below each that needs it, and how many there are of each kind.
pub fn table(checks: &[Check]) -> String {
    let name_width = width(HEADINGS[0], checks.iter().map(|check| check.name.as_str()));
    let state_width = width(HEADINGS[1], checks.iter().map(|check| check.state.word()));
    let line = |name: &str, state: &str, rest: &str| {
        format!("{name:name_width$}{state:state_width$}{rest}").trim_end().to_owned() + "\n"
    };
    let mut text = line(HEADINGS[0], HEADINGS[1], HEADINGS[2]);
    for check in checks {
        text += &line(&check.name, check.state.word(), &check.found);
        if !check.remedy.is_empty() {
            text += &line("", "", &format!("-> {}", check.remedy));
        }
    }
    text + &summary(checks)
}

fn width<'a>(heading: &str, cells: impl Iterator<Item = &'a str>) -> usize {
    cells.map(|cell| cell.chars().count()).fold(heading.len(), usize::max) + GAP
}

fn summary(checks: &[Check]) -> String {
    let count = |state| checks.iter().filter(|check| check.state == state).count();
    let warnings = count(State::Warning);
    let plural = if warnings == 1 { "" } else { "s" };
    format!(
        "\n{} checks: {} ok, {warnings} warning{plural}, {} missing\n",
        checks.len(),
        count(State::Ok),
        count(State::Missing)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        facts::{Bound, ClosedChain, Firewalls, Holder, Hook, Owner, Protocol},
        judge::{self, fixtures},
    };

    #[test]
    fn a_fit_machine_and_a_troubled_one_look_like_this() {
        let fit = fixtures::facts();
        let mut troubled = fixtures::facts();
        troubled.sockets = Ok(vec![Bound {
            protocol: Protocol::Tcp,
            addr: "0.0.0.0:2377".parse().unwrap(),
            holder: Holder::Process { pid: 812, name: "dockerd".into(), is_daemon: false },
        }]);
        if let Ok(discipline) = &mut troubled.clock.discipline {
            discipline.is_synchronised = false;
        }
        troubled.disk.file_system = Some("nfs4".into());
        troubled.settings.rp_filter = Some(1);
        troubled.containers[0].ok = false;
        troubled.containers[0].detail = "5.4.0 is too old".into();
        troubled.firewalls = Ok(Firewalls {
            closed: vec![ClosedChain {
                hook: Hook::Forward,
                family: "ip".into(),
                table: "filter".into(),
                chain: "FORWARD".into(),
                owner: Owner::Docker,
            }],
            has_legacy_iptables: false,
        });
        let text = format!("{}\n{}", table(&judge::all(&fit)), table(&judge::all(&troubled)));
        assert_eq!(text, include_str!("table.golden.txt"), "\n{text}");
    }
}
