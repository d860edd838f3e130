//! The policy rules of a sandbox: which routing tables are asked, and for which packets. All of them are ours.

use std::io;

use nix::errno::Errno;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute, RuleMessage};
use rtnetlink::packet_route::{AddressFamily, RouteNetlinkMessage};

use crate::link_error::{LinkError, kernel_error};
use crate::links::{Links, is};
use crate::marked::MarkedTable;

/// The kernel's own rules of IPv4, each with its priority and table: local, main, default.
const FIRST_IPV4: [(u32, u32); 3] = [(0, 255), (32_766, 254), (32_767, 253)];

/// Those of IPv6.
const FIRST_IPV6: [(u32, u32); 2] = [(0, 255), (32_766, 254)];

/// A rule as sandboxes have them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Rule {
    priority: u32,
    table: u32,
    /// What packets have in their marks that it is for; `None` for all packets.
    mark: Option<u32>,
}

/// What differs from what is to be.
struct Policy {
    missing: Vec<Rule>,
    foreign: Vec<RuleMessage>,
}

impl Links {
    /// Says how the policy rules of an address family differ from the kernel's first ones and that of a marked table.
    pub(crate) async fn policy_differences(
        &self,
        ipv6: bool,
        marked: Option<MarkedTable>,
    ) -> Result<Vec<String>, LinkError> {
        let Policy { missing, foreign } = self.policy(ipv6, marked).await?;
        let family = if ipv6 { "IPv6" } else { "IPv4" };
        let missing = missing.iter().map(|rule| match rule.mark {
            Some(_) => format!("the rule that routes {family} answers to clients is missing"),
            None => format!("the {family} rule for the routing table {} is missing", rule.table),
        });
        let foreign = foreign.iter().map(|message| {
            format!("the {family} rule of priority {} should not be there", priority_of(message))
        });
        Ok(missing.chain(foreign).collect())
    }

    /// Tells whether marked packets of an address family are routed by a table of their own.
    pub(crate) async fn has_mark_rule(&self, ipv6: bool, table: MarkedTable) -> Result<bool, LinkError> {
        Ok(self.policy(ipv6, Some(table)).await?.missing.iter().all(|rule| rule.mark.is_none()))
    }

    /// Makes the policy rules of an address family the kernel's first ones and that of a marked table.
    pub(crate) async fn put_policy(&self, ipv6: bool, marked: Option<MarkedTable>) -> Result<(), LinkError> {
        let Policy { missing, foreign } = self.policy(ipv6, marked).await?;
        for rule in missing {
            let mut request = self.handle.rule().add();
            *request.message_mut() = rule.message(ipv6);
            match request.execute().await.map_err(kernel_error) {
                Err(source) if !is(&source, Errno::EEXIST) => {
                    return Err(self.policy_stays("add", rule.priority, source));
                }
                Ok(()) | Err(_) => {}
            }
        }
        for message in foreign {
            let priority = priority_of(&message);
            match self.handle.rule().del(message).execute().await.map_err(kernel_error) {
                Err(source) if !is(&source, Errno::ENOENT) => {
                    return Err(self.policy_stays("remove", priority, source));
                }
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    async fn policy(&self, ipv6: bool, marked: Option<MarkedTable>) -> Result<Policy, LinkError> {
        let mut request = RuleMessage::default();
        request.header.family = family(ipv6);
        let told = match self.dump("policy rules", RouteNetlinkMessage::GetRule(request)).await {
            Ok(told) => told,
            // A kernel without policy rules has nothing to change.
            Err(LinkError::List { source, .. }) if marked.is_none() && is_unknown(&source) => Vec::new(),
            Err(error) => return Err(error),
        };
        let mut missing = wanted(ipv6, marked);
        let mut foreign = Vec::new();
        if told.is_empty() && marked.is_none() {
            missing.clear();
        }
        for message in told {
            let RouteNetlinkMessage::NewRule(message) = message else { continue };
            let known = Rule::of(&message);
            match missing.iter().position(|rule| Some(*rule) == known) {
                Some(at) => drop(missing.remove(at)),
                None => foreign.push(message),
            }
        }
        Ok(Policy { missing, foreign })
    }

    fn policy_stays(&self, verb: &'static str, priority: u32, source: io::Error) -> LinkError {
        LinkError::Policy { verb, priority, namespace: self.namespace().to_owned(), source }
    }
}

fn wanted(ipv6: bool, marked: Option<MarkedTable>) -> Vec<Rule> {
    let first: &[_] = if ipv6 { &FIRST_IPV6 } else { &FIRST_IPV4 };
    let first = first.iter().map(|(priority, table)| Rule { priority: *priority, table: *table, mark: None });
    first.chain(marked.map(Rule::of_marked)).collect()
}

impl Rule {
    fn of_marked(table: MarkedTable) -> Self {
        Self { priority: table.id.into(), table: table.id.into(), mark: Some(table.mark) }
    }

    /// Reads a rule; `None` if it is for some packets only, or does anything else than asking a table.
    fn of(message: &RuleMessage) -> Option<Self> {
        let header = &message.header;
        let is_plain = (header.src_len, header.dst_len, header.tos) == (0, 0, 0) && header.flags.is_empty();
        if !is_plain || header.action != RuleAction::ToTable {
            return None;
        }
        let mut rule = Self { priority: 0, table: header.table.into(), mark: None };
        let mut mask = None;
        for attribute in &message.attributes {
            match attribute {
                RuleAttribute::Priority(priority) => rule.priority = *priority,
                RuleAttribute::Table(table) => rule.table = *table,
                RuleAttribute::FwMark(mark) => rule.mark = Some(*mark),
                RuleAttribute::FwMask(bits) => mask = Some(*bits),
                // No route is too short.
                RuleAttribute::Protocol(_) | RuleAttribute::SuppressPrefixLen(u32::MAX) => {}
                _ => return None,
            }
        }
        (rule.mark == mask).then_some(rule)
    }

    fn message(&self, ipv6: bool) -> RuleMessage {
        let mut message = RuleMessage::default();
        message.header.family = family(ipv6);
        message.header.action = RuleAction::ToTable;
        message.attributes.push(RuleAttribute::Priority(self.priority));
        message.attributes.push(RuleAttribute::Table(self.table));
        if let Some(mark) = self.mark {
            message.attributes.extend([RuleAttribute::FwMark(mark), RuleAttribute::FwMask(mark)]);
        }
        message
    }
}

fn priority_of(message: &RuleMessage) -> u32 {
    let priority = |attribute: &RuleAttribute| match attribute {
        RuleAttribute::Priority(priority) => Some(*priority),
        _ => None,
    };
    message.attributes.iter().find_map(priority).unwrap_or(0)
}

fn family(ipv6: bool) -> AddressFamily {
    if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet }
}

fn is_unknown(error: &io::Error) -> bool {
    [Errno::EOPNOTSUPP, Errno::EAFNOSUPPORT].iter().any(|errno| is(error, *errno))
}
