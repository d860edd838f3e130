//! Root, and what was tried for containers and networks, in the words of this crate.

use crate::check::Check;
use worker_network::Outcome;

/// Without root most of the rest can't be tried.
pub fn root(is_root: bool) -> Check {
    if is_root {
        return Check::ok("root", "yes");
    }
    let found = "no, so nothing was tried that needs it: cgroups, namespaces, mounts, links and rules";
    Check::missing("root", found, "run this again with sudo; the daemon needs root too")
}

/// What was tried for containers.
pub fn container(tried: &worker_runtime::Check) -> Check {
    if tried.ok {
        Check::ok(tried.name, &tried.detail)
    } else {
        Check::missing(tried.name, &tried.detail, tried.remedy)
    }
}

/// What was tried for networks.
pub fn network(tried: &worker_network::Check) -> Check {
    match &tried.outcome {
        Outcome::Works(detail) if detail.is_empty() => Check::ok(tried.name, "works"),
        Outcome::Works(detail) => Check::ok(tried.name, detail),
        Outcome::Missing(problem) => Check::missing(tried.name, problem, tried.remedy),
        Outcome::Spare(problem) => Check::warning(tried.name, problem, tried.remedy),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::State;

    #[test]
    fn without_root_a_machine_is_no_node() {
        assert_eq!(root(true).state, State::Ok);
        assert_eq!(root(false).state, State::Missing);
    }

    #[test]
    fn what_the_parts_found_is_passed_on_and_a_remedy_only_with_a_problem() {
        let overlay =
            |ok| worker_runtime::Check { name: "overlayfs", ok, detail: "it".into(), remedy: "load it" };
        assert_eq!(container(&overlay(true)), Check::ok("overlayfs", "it"));
        assert_eq!(container(&overlay(false)), Check::missing("overlayfs", "it", "load it"));
        let veth = |outcome| worker_network::Check { name: "veth", outcome, remedy: "enable it" };
        assert_eq!(network(&veth(Outcome::Works(String::new()))), Check::ok("veth", "works"));
        let missing = network(&veth(Outcome::Missing("unknown kind".into())));
        assert_eq!(missing, Check::missing("veth", "unknown kind", "enable it"));
        let spare = network(&veth(Outcome::Spare("unknown kind".into())));
        assert_eq!(spare, Check::warning("veth", "unknown kind", "enable it"));
    }
}
