//! What the kernel is told of a container: limits on its processes, settings of its own, its place when memory runs out.

use super::bounds::{self, shown};
use crate::model::{Problems, Sysctl, Ulimit, container::OOM_SCORES};
use std::{fmt::Display, str::FromStr};

/// Reads the limits on each process.
pub(super) fn ulimits(texts: &[String], problems: &mut Problems) -> Vec<Ulimit> {
    named("--ulimit", texts, Ulimit::name, problems)
}

/// Reads kernel settings.
pub(super) fn sysctls(texts: &[String], problems: &mut Problems) -> Vec<Sysctl> {
    named("--sysctl", texts, Sysctl::name, problems)
}

/// Reads values that have a name each, noting names that are given twice.
fn named<T: FromStr<Err: Display>>(
    option: &str,
    texts: &[String],
    name: impl Fn(&T) -> &str,
    problems: &mut Problems,
) -> Vec<T> {
    bounds::count(option, texts.len(), problems);
    let read: Vec<T> = problems.take_all(option, texts.iter().map(|text| text.parse()));
    for (place, value) in read.iter().enumerate() {
        if read[..place].iter().any(|earlier| name(earlier) == name(value)) {
            problems.add(option, format!("`{}` is given twice", shown(name(value))));
        }
    }
    read
}

/// Reads how soon the kernel ends the container's processes when memory runs out.
pub(super) fn oom_score_adj(score: i32, problems: &mut Problems) -> i32 {
    if !OOM_SCORES.contains(&score) {
        let (first, last) = (OOM_SCORES.start(), OOM_SCORES.end());
        problems.add("--oom-score-adj", format!("{score} is out of range: must be from {first} to {last}"));
    }
    score
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_given_once() {
        let texts = ["nofile=1", "core=0", "nofile=2"].map(String::from);
        let mut problems = Problems::default();
        assert_eq!(ulimits(&texts, &mut problems).len(), 3);
        assert_eq!(problems.to_string(), "--ulimit: `nofile` is given twice");
    }

    #[test]
    fn a_score_that_the_kernel_does_not_know_is_a_problem() {
        let problems_of = |score| {
            let mut problems = Problems::default();
            oom_score_adj(score, &mut problems);
            problems.to_string()
        };
        assert_eq!([problems_of(-1000), problems_of(1000)], ["", ""]);
        assert_eq!(problems_of(1001), "--oom-score-adj: 1001 is out of range: must be from -1000 to 1000");
    }
}
