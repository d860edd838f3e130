//! `--network` of a service: `front`, `name=front,alias=www`, or what every node has by itself.

use super::csv;
use proto::{
    model::{Name, name::NameError},
    wire::{NetworkAttachment, TaskNetwork},
};
use std::collections::BTreeSet;

/// What a service can be connected to.
#[derive(Debug, Clone, PartialEq)]
pub enum Connection {
    /// What every node has by itself: `bridge`, `host` or `none`.
    Own(TaskNetwork),
    /// A network of the cluster, by name or id.
    Cluster(NetworkAttachment),
}

/// Says why a text names no network.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AttachmentError {
    /// A quote is out of place.
    #[error("`{0}` has a quote that is never closed or out of place")]
    Quotes(String),
    /// No such option.
    #[error("there is no option `{0}` of an attachment: use name and alias, such as name=front,alias=www")]
    Unknown(String),
    /// Nothing says which network.
    #[error("`{0}` names no network: add name=NETWORK")]
    NoName(String),
    /// More than one network.
    #[error("`{0}` names two networks: give each an option of its own")]
    TwoNames(String),
    /// Another name in a network that has none.
    #[error("`{0}` answers no names: leave the alias out")]
    OwnAlias(String),
    /// A name that can't be one.
    #[error(transparent)]
    Name(#[from] NameError),
}

/// Reads the value of `--network` or `--network-add`.
pub fn parse(text: &str) -> Result<Connection, AttachmentError> {
    if !text.contains('=') {
        return parse_name(text);
    }
    let shown = || text.chars().take(60).collect::<String>();
    let mut name = None;
    let mut aliases = BTreeSet::new();
    for field in csv::split(text).ok_or_else(|| AttachmentError::Quotes(shown()))? {
        match field.split_once('=').unwrap_or((&field, "")) {
            ("name", _) if name.is_some() => return Err(AttachmentError::TwoNames(shown())),
            ("name", value) => name = Some(value.to_owned()),
            ("alias", value) => {
                aliases.insert(value.parse::<Name>()?.to_string());
            }
            (other, _) => return Err(AttachmentError::Unknown(other.to_owned())),
        }
    }
    let name = name.filter(|name| !name.is_empty()).ok_or_else(|| AttachmentError::NoName(shown()))?;
    match parse_name(&name)? {
        Connection::Own(_) if !aliases.is_empty() => Err(AttachmentError::OwnAlias(name)),
        Connection::Own(own) => Ok(Connection::Own(own)),
        Connection::Cluster(attachment) => Ok(Connection::Cluster(NetworkAttachment {
            aliases: aliases.into_iter().collect(),
            ..attachment
        })),
    }
}

/// Reads the value of `--network-rm`: a network's name or id alone.
pub fn parse_name(text: &str) -> Result<Connection, AttachmentError> {
    Ok(match text {
        "bridge" => Connection::Own(TaskNetwork::Node),
        "host" => Connection::Own(TaskNetwork::Host),
        "none" => Connection::Own(TaskNetwork::None),
        // An id is a valid name too.
        _ => Connection::Cluster(NetworkAttachment {
            network: text.parse::<Name>()?.to_string(),
            aliases: Vec::new(),
        }),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cluster(network: &str, aliases: &[&str]) -> Result<Connection, AttachmentError> {
        let aliases = aliases.iter().map(ToString::to_string).collect();
        Ok(Connection::Cluster(NetworkAttachment { network: network.into(), aliases }))
    }

    #[test]
    fn networks_are_named_in_short_and_long_form() {
        assert_eq!(parse("front"), cluster("front", &[]));
        assert_eq!(parse("name=front"), cluster("front", &[]));
        assert_eq!(parse("name=front,alias=www,alias=api,alias=www"), cluster("front", &["api", "www"]));
        assert_eq!(parse("host"), Ok(Connection::Own(TaskNetwork::Host)));
        assert_eq!(parse("name=none"), Ok(Connection::Own(TaskNetwork::None)));
        assert_eq!(parse("bridge"), Ok(Connection::Own(TaskNetwork::Node)));
    }

    #[test]
    fn a_malformed_attachment_says_what_would_be_right() {
        for (bad, says) in [
            ("", "not a valid name"),
            ("-front", "not a valid name"),
            ("name=front,alias=a b", "`a b` is not a valid name"),
            ("alias=www", "add name=NETWORK"),
            ("name=,alias=www", "add name=NETWORK"),
            ("name=front,name=back", "two networks"),
            ("name=front,driver-opt=x", "no option `driver-opt`"),
            ("name=host,alias=www", "leave the alias out"),
            ("name=\"front", "quote"),
        ] {
            let error = parse(bad).unwrap_err().to_string();
            assert!(error.contains(says), "{bad}: {error}");
        }
    }
}
