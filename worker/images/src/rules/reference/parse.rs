//! Reading an image reference by Docker's grammar.

use std::str::FromStr;

use super::{MAX_NAME, MAX_TAG, OFFICIAL, Reference, ReferenceError};
use crate::rules::digest::Digest;

/// The registry of names that give none.
const DEFAULT_REGISTRY: &str = "docker.io";
const DEFAULT_TAG: &str = "latest";

impl FromStr for Reference {
    type Err = ReferenceError;

    fn from_str(text: &str) -> Result<Self, ReferenceError> {
        let owned = || text.to_owned();
        if text.is_empty() {
            return Err(ReferenceError::Empty);
        }
        if let Some((scheme, _)) = text.split_once("://") {
            return Err(ReferenceError::Url { text: owned(), scheme: format!("{scheme}://") });
        }
        if Digest::from_hex(text).is_some() {
            return Err(ReferenceError::Id { text: owned() });
        }
        let (rest, digest) = match text.split_once('@') {
            Some((rest, digest)) => (rest, Some(digest.parse())),
            None => (text, None),
        };
        let digest = digest.transpose().map_err(|source| ReferenceError::Digest { text: owned(), source })?;
        let (name, tag) = split_tag(rest);
        if let Some(tag) = tag.filter(|tag| !is_tag(tag)) {
            return Err(ReferenceError::Tag { text: owned(), tag: tag.to_owned() });
        }
        let (registry, repository) = split_registry(name);
        check_registry(text, &registry)?;
        check_repository(text, &repository)?;
        let length = registry.len() + 1 + repository.len();
        if length > MAX_NAME {
            return Err(ReferenceError::TooLong { length });
        }
        let tag = tag.or((digest.is_none()).then_some(DEFAULT_TAG)).map(str::to_owned);
        Ok(Self { registry, repository, tag, digest })
    }
}

/// Splits off the tag: what follows a colon, unless that colon belongs to the registry's port.
fn split_tag(rest: &str) -> (&str, Option<&str>) {
    match rest.rsplit_once(':') {
        Some((name, tag)) if !tag.contains('/') => (name, Some(tag)),
        _ => (rest, None),
    }
}

/// Splits off the registry by Docker's rule: the first component is one if it could not be a repository.
fn split_registry(name: &str) -> (String, String) {
    let is_host = |first: &str| {
        first.contains(['.', ':']) || first == "localhost" || first.contains(|c: char| c.is_ascii_uppercase())
    };
    let (registry, path) = match name.split_once('/') {
        Some((first, path)) if is_host(first) => (first, path),
        _ => (DEFAULT_REGISTRY, name),
    };
    let registry = if registry == "index.docker.io" { DEFAULT_REGISTRY } else { registry };
    let official = registry == DEFAULT_REGISTRY && !path.contains('/');
    let repository = if official { format!("{OFFICIAL}{path}") } else { path.to_owned() };
    (registry.to_owned(), repository)
}

fn check_registry(text: &str, registry: &str) -> Result<(), ReferenceError> {
    let wrong = || ReferenceError::Registry { text: text.to_owned(), registry: registry.to_owned() };
    let (host, port) = match registry.strip_prefix('[') {
        Some(rest) => {
            let (address, port) = rest.split_once(']').ok_or_else(wrong)?;
            address.parse::<std::net::Ipv6Addr>().map_err(|_| wrong())?;
            match port.strip_prefix(':') {
                Some(port) => (None, Some(port)),
                None if port.is_empty() => (None, None),
                None => return Err(wrong()),
            }
        }
        None => match registry.split_once(':') {
            Some((host, port)) => (Some(host), Some(port)),
            None => (Some(registry), None),
        },
    };
    let is_label = |label: &str| {
        !label.is_empty()
            && label.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-')
            && !label.starts_with('-')
            && !label.ends_with('-')
    };
    let host_is_right = host.is_none_or(|host| host.split('.').all(is_label));
    let port_is_right =
        port.is_none_or(|port| port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok());
    if host_is_right && port_is_right { Ok(()) } else { Err(wrong()) }
}

fn check_repository(text: &str, repository: &str) -> Result<(), ReferenceError> {
    let Some(wrong) = repository.split('/').find(|component| !is_component(component)) else {
        return Ok(());
    };
    let text = text.to_owned();
    let lowered = repository.to_ascii_lowercase();
    if lowered.split('/').all(is_component) {
        let given = repository.strip_prefix(OFFICIAL).unwrap_or(repository);
        let suggestion = text.replacen(given, &given.to_ascii_lowercase(), 1);
        return Err(ReferenceError::Uppercase { text, suggestion });
    }
    Err(ReferenceError::Component { text, component: wrong.to_owned() })
}

/// Says whether `text` is runs of letters and digits, joined by one `.`, one or two `_`, or any number of `-`.
fn is_component(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit();
    let mut bytes = text.bytes().peekable();
    loop {
        if !bytes.next().is_some_and(is_word) {
            return false;
        }
        while bytes.next_if(|byte| is_word(*byte)).is_some() {}
        match bytes.next() {
            None => return true,
            Some(b'.') => {}
            Some(b'_') => {
                bytes.next_if_eq(&b'_');
            }
            Some(b'-') => while bytes.next_if_eq(&b'-').is_some() {},
            Some(_) => return false,
        }
    }
}

fn is_tag(text: &str) -> bool {
    let is_word = |byte: u8| byte.is_ascii_alphanumeric() || byte == b'_';
    text.len() <= MAX_TAG
        && text.bytes().next().is_some_and(is_word)
        && text.bytes().all(|byte| is_word(byte) || byte == b'.' || byte == b'-')
}
