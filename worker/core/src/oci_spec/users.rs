//! Who a container's main process is, by an image's `/etc/passwd` and `/etc/group`.

use std::num::ParseIntError;

/// User and group ids are at most this, as in Docker; higher ones mean "no id" to some system calls.
const ID_MAX: u32 = i32::MAX as u32;

/// Who the main process of a container is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identity {
    /// User id.
    pub uid: u32,
    /// Primary group id.
    pub gid: u32,
    /// Further group ids, each once, without the primary one.
    pub groups: Vec<u32>,
    /// Home directory; `/` for a user the image does not know.
    pub home: String,
}

/// Says why a user or group can't be found.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum UserError {
    /// No such name.
    #[error("the image has no user `{0}` in /etc/passwd; use one it has, or a number")]
    UnknownUser(String),
    /// No such name.
    #[error("the image has no group `{0}` in /etc/group; use one it has, or a number")]
    UnknownGroup(String),
    /// Too large a number.
    #[error("`{0}` is not a user or group id: ids go from 0 to {ID_MAX}")]
    IdOutOfRange(String),
}

struct User<'a> {
    name: &'a str,
    uid: u32,
    gid: u32,
    home: &'a str,
}

struct Group<'a> {
    name: &'a str,
    gid: u32,
    members: &'a str,
}

/// Decides who `USER[:GROUP]` is, given the text of the two files (empty if the image has none).
///
/// A name goes before an equal number. A number needs no entry. Without a group, the groups that
/// list the user as a member are added, else only `extra_groups` are.
pub fn resolve(
    user: Option<&str>,
    extra_groups: &[String],
    passwd: &str,
    group: &str,
) -> Result<Identity, UserError> {
    let (user, primary) = match user.unwrap_or("0").split_once(':') {
        Some((user, primary)) => (user, Some(primary).filter(|text| !text.is_empty())),
        None => (user.unwrap_or("0"), None),
    };
    let user = if user.is_empty() { "0" } else { user };
    let entry = find_user(user, passwd);
    let uid = match (&entry, number(user)?) {
        (Some(entry), _) => entry.uid,
        (None, Some(uid)) => uid,
        (None, None) => return Err(UserError::UnknownUser(user.into())),
    };
    let gid = match primary {
        Some(name) => group_id(name, group)?,
        None => entry.as_ref().map_or(0, |entry| entry.gid),
    };
    let mut groups = match &entry {
        Some(entry) if primary.is_none() => groups_of(entry.name, group),
        _ => Vec::new(),
    };
    for name in extra_groups {
        groups.push(group_id(name, group)?);
    }
    groups.sort_unstable();
    groups.dedup();
    groups.retain(|&id| id != gid);
    let home = entry.map(|entry| entry.home).filter(|home| home.starts_with('/')).unwrap_or("/");
    Ok(Identity { uid, gid, groups, home: home.into() })
}

fn find_user<'a>(text: &str, passwd: &'a str) -> Option<User<'a>> {
    let id: Option<u32> = text.parse().ok();
    let by_name = users(passwd).find(|entry| entry.name == text);
    by_name.or_else(|| users(passwd).find(|entry| Some(entry.uid) == id))
}

fn group_id(text: &str, group: &str) -> Result<u32, UserError> {
    let by_name = groups(group).find(|entry| entry.name == text).map(|entry| entry.gid);
    match (by_name, number(text)?) {
        (Some(gid), _) | (None, Some(gid)) => Ok(gid),
        (None, None) => Err(UserError::UnknownGroup(text.into())),
    }
}

fn groups_of(user: &str, group: &str) -> Vec<u32> {
    let lists_user = |entry: &Group| entry.members.split(',').any(|member| member.trim() == user);
    groups(group).filter(lists_user).map(|entry| entry.gid).collect()
}

/// The text as an id, if it consists of digits.
fn number(text: &str) -> Result<Option<u32>, UserError> {
    if text.is_empty() || !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return Ok(None);
    }
    let read: Result<u32, ParseIntError> = text.parse();
    read.ok().filter(|&id| id <= ID_MAX).map(Some).ok_or_else(|| UserError::IdOutOfRange(text.into()))
}

/// Lines that are not entries are skipped, as the C library does.
fn users(passwd: &str) -> impl Iterator<Item = User<'_>> {
    passwd.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        let (uid, gid) = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
        let (_comment, home) = (fields.next()?, fields.next()?);
        Some(User { name, uid, gid, home })
    })
}

fn groups(group: &str) -> impl Iterator<Item = Group<'_>> {
    group.lines().filter_map(|line| {
        let mut fields = line.trim().split(':');
        let (name, _password) = (fields.next()?, fields.next()?);
        Some(Group { name, gid: fields.next()?.parse().ok()?, members: fields.next().unwrap_or("") })
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nbroken\nweb:x:101:102::/srv/web:/sbin/nologin\n7:x:700:700::/seven:\n";
    const GROUP: &str = "root:x:0:\nweb:x:102:\nlogs:x:50:web,root\nssl:x:51:web\n";

    fn ids(user: Option<&str>, extra: &[&str]) -> Result<(u32, u32, Vec<u32>, String), UserError> {
        let extra: Vec<String> = extra.iter().map(|name| name.to_string()).collect();
        resolve(user, &extra, PASSWD, GROUP).map(|who| (who.uid, who.gid, who.groups, who.home))
    }

    #[test]
    fn nobody_in_particular_is_root() {
        assert_eq!(ids(None, &[]).unwrap(), (0, 0, vec![50], "/root".into()));
        assert_eq!(
            resolve(None, &[], "", "").unwrap(),
            Identity { uid: 0, gid: 0, groups: vec![], home: "/".into() }
        );
    }

    #[test]
    fn a_user_by_name_has_the_groups_that_list_it() {
        assert_eq!(ids(Some("web"), &["root"]).unwrap(), (101, 102, vec![0, 50, 51], "/srv/web".into()));
    }

    #[test]
    fn a_given_group_takes_the_place_of_the_listed_ones() {
        assert_eq!(ids(Some("web:ssl"), &[]).unwrap(), (101, 51, vec![], "/srv/web".into()));
        assert_eq!(ids(Some("101:9"), &["9", "50"]).unwrap(), (101, 9, vec![50], "/srv/web".into()));
    }

    #[test]
    fn a_number_needs_no_entry_and_a_name_goes_before_it() {
        assert_eq!(ids(Some("4242"), &[]).unwrap(), (4242, 0, vec![], "/".into()));
        assert_eq!(ids(Some("7"), &[]).unwrap().0, 700);
    }

    #[test]
    fn what_is_not_there_is_refused() {
        assert_eq!(ids(Some("nobody"), &[]), Err(UserError::UnknownUser("nobody".into())));
        assert_eq!(ids(Some("web:nope"), &[]), Err(UserError::UnknownGroup("nope".into())));
        assert_eq!(ids(Some("4294967295"), &[]), Err(UserError::IdOutOfRange("4294967295".into())));
    }

    proptest! {
        #[test]
        fn no_text_makes_the_parser_panic(user: String, passwd: String, group: String) {
            let _ = resolve(Some(&user), std::slice::from_ref(&user), &passwd, &group);
        }
    }
}
