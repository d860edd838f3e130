//! Routes of one namespace that only marked packets take.

use nix::errno::Errno;
use rtnetlink::packet_route::AddressFamily;
use rtnetlink::packet_route::rule::{RuleAction, RuleAttribute};

use crate::link_error::{LinkError, kernel_error};
use crate::links::{Links, is};
use crate::routes::Route;

/// A routing table for marked packets.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MarkedTable {
    pub(crate) id: u8,
    /// What packets have in their marks that are routed by this table.
    pub(crate) mark: u32,
}

impl Links {
    /// Makes a route for marked packets, or puts it in the place of one with the same destination.
    pub(crate) async fn put_marked_route(&self, route: Route, table: MarkedTable) -> Result<(), LinkError> {
        let mut message = route.message();
        message.header.table = table.id;
        let request = self.handle.route().add(message).replace();
        request.execute().await.map_err(|error| route.failed("add", self, error))
    }

    /// Removes a route for marked packets; nothing happens when it has gone already.
    pub(crate) async fn delete_marked_route(
        &self,
        route: Route,
        table: MarkedTable,
    ) -> Result<(), LinkError> {
        let mut message = route.message();
        message.header.table = table.id;
        self.forget(route, message).await
    }

    /// Has marked packets of an address family routed by a table of their own; nothing happens when they are already.
    pub(crate) async fn put_mark_rule(&self, ipv6: bool, table: MarkedTable) -> Result<(), LinkError> {
        let mut request = self.handle.rule().add().table_id(table.id.into()).fw_mark(table.mark);
        request = request.action(RuleAction::ToTable).priority(table.id.into());
        request.message_mut().header.family = if ipv6 { AddressFamily::Inet6 } else { AddressFamily::Inet };
        request.message_mut().attributes.push(RuleAttribute::FwMask(table.mark));
        match request.execute().await.map_err(kernel_error) {
            Err(source) if !is(&source, Errno::EEXIST) => {
                let (namespace, mark) = (self.namespace().to_owned(), table.mark);
                Err(LinkError::Rule { mark, table: table.id, namespace, source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }
}
