//! Edits of the lists in a spec: values that replace those with the same key, and removals.

use super::each;
use crate::parse::pairs;
use proto::model::{ExtraHost, Problems, Sysctl, Ulimit};
use std::collections::HashMap;

/// Adds `value`, or puts it in the place of the one that `same` finds.
pub fn put<T>(list: &mut Vec<T>, value: T, same: impl Fn(&T, &T) -> bool) {
    match list.iter_mut().find(|old| same(old, &value)) {
        Some(old) => *old = value,
        None => list.push(value),
    }
}

/// Adds or replaces labels.
pub fn put_labels(
    labels: &mut HashMap<String, String>,
    option: &str,
    texts: &[String],
    problems: &mut Problems,
) {
    labels.extend(each(problems, option, texts, pairs::label));
}

/// Adds or replaces `NAME=VALUE` texts by name.
pub fn put_named(list: &mut Vec<String>, texts: impl IntoIterator<Item = String>) {
    for text in texts {
        put(list, text, |old, new| name_of(old) == name_of(new));
    }
}

/// Removes `NAME=VALUE` texts by name.
pub fn remove_named(list: &mut Vec<String>, names: &[String]) {
    list.retain(|old| !names.iter().any(|name| name == name_of(old)));
}

fn name_of(text: &str) -> &str {
    text.split_once('=').map_or(text, |(name, _)| name)
}

/// Adds or replaces limits on processes.
pub fn put_ulimits(list: &mut Vec<String>, (option, texts): (&str, &[String]), problems: &mut Problems) {
    put_named(list, each(problems, option, texts, str::parse::<Ulimit>).iter().map(Ulimit::to_string));
}

/// Adds or replaces kernel settings.
pub fn put_sysctls(list: &mut Vec<String>, (option, texts): (&str, &[String]), problems: &mut Problems) {
    put_named(list, each(problems, option, texts, str::parse::<Sysctl>).iter().map(Sysctl::to_string));
}

/// Removes texts, then adds others that are not there yet.
pub fn edit_texts(list: &mut Vec<String>, removed: &[String], added: &[String]) {
    list.retain(|text| !removed.contains(text));
    for text in added {
        put(list, text.clone(), PartialEq::eq);
    }
}

/// Removes lines of `/etc/hosts` by `NAME` or `NAME:ADDRESS`, then adds others. A name may have several addresses.
pub fn edit_hosts(
    hosts: &mut Vec<String>,
    removed: &[String],
    (option, added): (&str, &[String]),
    problems: &mut Problems,
) {
    let name = |line: &str| line.split([':', '=']).next().map(str::to_owned);
    let is_removed = |line: &str, text: &String| match text.parse::<ExtraHost>() {
        Ok(host) => line.parse().is_ok_and(|held: ExtraHost| held == host),
        Err(_) => name(line).as_ref() == Some(text),
    };
    hosts.retain(|line| !removed.iter().any(|text| is_removed(line, text)));
    for host in each(problems, option, added, str::parse::<ExtraHost>) {
        put(hosts, host.to_string(), PartialEq::eq);
    }
}

/// Moves capabilities between the added and the dropped ones.
pub struct Capabilities<'a> {
    /// Those added to the default set.
    pub add: &'a mut Vec<String>,
    /// Those taken from it.
    pub drop: &'a mut Vec<String>,
}

impl Capabilities<'_> {
    /// Carries `--cap-add` and `--cap-drop` out; one takes back what the other did before.
    pub fn apply(&mut self, add: &[String], drop: &[String], problems: &mut Problems) {
        let normal = |texts: &[String]| texts.iter().map(|text| normal_capability(text)).collect::<Vec<_>>();
        let (add, drop) = (normal(add), normal(drop));
        for both in add.iter().filter(|name| drop.contains(name)) {
            problems.add("--cap-drop", format!("{both} is also in --cap-add: give it to one of them"));
        }
        self.add.retain(|name| !drop.contains(name));
        self.drop.retain(|name| !add.contains(name));
        for name in add {
            put(self.add, name, PartialEq::eq);
        }
        for name in drop {
            put(self.drop, name, PartialEq::eq);
        }
    }
}

/// The name in capitals without `CAP_`.
fn normal_capability(text: &str) -> String {
    let upper = text.trim().to_ascii_uppercase();
    upper.strip_prefix("CAP_").map(str::to_owned).unwrap_or(upper)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_replaces_the_one_with_its_name() {
        let mut env = vec!["A=1".to_owned(), "B=2".into()];
        put_named(&mut env, ["A=3".to_owned(), "C=4".into()]);
        assert_eq!(env, ["A=3", "B=2", "C=4"]);
        remove_named(&mut env, &["B".into()]);
        assert_eq!(env, ["A=3", "C=4"]);
    }

    #[test]
    fn a_limit_replaces_the_one_with_its_name() {
        let (mut limits, mut problems) =
            (vec!["nofile=1:1".to_owned(), "core=0:0".into()], Problems::default());
        let added = ["nofile=2:3", "nofile=x"].map(String::from);
        put_ulimits(&mut limits, ("--ulimit-add", &added), &mut problems);
        assert_eq!((limits, problems.0.len()), (vec!["nofile=2:3".to_owned(), "core=0:0".into()], 1));
    }

    #[test]
    fn a_name_of_etc_hosts_goes_with_all_its_addresses_or_with_one() {
        let mut hosts = ["db:192.0.2.7", "db:2001:db8::7", "h:host-gateway"].map(String::from).to_vec();
        let mut problems = Problems::default();
        edit_hosts(
            &mut hosts,
            &["db=192.0.2.7".into()],
            ("--host-add", &["a=192.0.2.9".into()]),
            &mut problems,
        );
        assert_eq!(hosts, ["db:2001:db8::7", "h:host-gateway", "a:192.0.2.9"]);
        edit_hosts(&mut hosts, &["db".into(), "h".into()], ("--host-add", &["wrong".into()]), &mut problems);
        assert_eq!((hosts, problems.0.len()), (vec!["a:192.0.2.9".to_owned()], 1));
    }

    #[test]
    fn adding_a_capability_takes_its_drop_back() {
        let (mut add, mut drop) = (vec!["SYS_TIME".to_owned()], vec!["CHOWN".to_owned()]);
        let mut problems = Problems::default();
        let mut capabilities = Capabilities { add: &mut add, drop: &mut drop };
        capabilities.apply(&["cap_chown".into()], &["SYS_TIME".into()], &mut problems);
        assert_eq!((add, drop), (vec!["CHOWN".to_owned()], vec!["SYS_TIME".to_owned()]));
        assert_eq!(problems, Problems::default());
    }

    #[test]
    fn a_capability_can_not_be_added_and_dropped_at_once() {
        let (mut add, mut drop, mut problems) = (vec![], vec![], Problems::default());
        Capabilities { add: &mut add, drop: &mut drop }.apply(
            &["KILL".into()],
            &["CAP_KILL".into()],
            &mut problems,
        );
        assert_eq!(problems.0.len(), 1);
    }
}
