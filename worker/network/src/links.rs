//! The links of one namespace, over a netlink socket that was opened in it.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use futures::TryStreamExt;
use netlink_sys::AsyncSocket;
use nix::errno::Errno;
use rtnetlink::packet_route::RouteNetlinkMessage;
use rtnetlink::packet_route::link::{
    InfoData, InfoKind, InfoVeth, LinkAttribute, LinkFlags, LinkInfo, LinkMessage,
};
use rtnetlink::{Handle, LinkUnspec, LinkVeth};
use tokio::sync::{Mutex, MutexGuard};

use crate::link_error::{LinkError, kernel_error};
use crate::namespace::Namespace;
use crate::traffic::CountingSocket;

/// A link as the kernel shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Link {
    pub(crate) index: u32,
    pub(crate) name: String,
    pub(crate) mtu: u32,
    pub(crate) group: u32,
    /// Whether it is switched on.
    pub(crate) up: bool,
    pub(crate) alias: Option<String>,
    /// The index of a veth's other end, in that end's namespace.
    pub(crate) peer: Option<u32>,
    /// The hardware address.
    pub(crate) address: Vec<u8>,
    pub(crate) kind: Option<InfoKind>,
    /// What the link is, in detail, for kinds that have any.
    pub(crate) data: Option<InfoData>,
    /// Whether it is part of a bridge or the like, or kept from asking for neighbours.
    pub(crate) is_bent: bool,
}

impl Link {
    /// Tells whether it is one end of a pair, and as we make it.
    pub(crate) fn is_plain_pair(&self) -> bool {
        self.kind == Some(InfoKind::Veth) && !self.is_bent
    }

    /// Tells whether this and another link, in another namespace, are the ends of one pair.
    pub(crate) fn is_paired_with(&self, far: &Self) -> bool {
        self.is_plain_pair() && self.peer == Some(far.index) && far.peer == Some(self.index)
    }
}

/// A veth pair to be made, its far end in another namespace from the start.
#[derive(Debug, Clone, Copy)]
pub(crate) struct VethPair<'a> {
    pub(crate) name: &'a str,
    pub(crate) peer: &'a str,
    pub(crate) peer_in: &'a Namespace,
    pub(crate) mtu: u32,
    pub(crate) group: u32,
}

/// A netlink socket in a namespace.
#[derive(Debug, Clone)]
pub(crate) struct Links {
    pub(crate) handle: Handle,
    namespace: PathBuf,
    /// The kernel refuses to begin a list on a socket while it is at another one.
    listing: Arc<Mutex<()>>,
}

impl Links {
    /// Opens a socket in a namespace; it stays there although the runtime's own threads use it.
    pub(crate) async fn of(namespace: &Namespace) -> Result<Self, LinkError> {
        let runtime = tokio::runtime::Handle::current();
        let opened = namespace
            .run(move || {
                let _runtime = runtime.enter();
                let (mut connection, handle, _) = rtnetlink::new_connection_with_socket::<CountingSocket>()?;
                connection.socket_mut().socket_mut().set_netlink_get_strict_chk(true)?;
                // The end of a list tells whether it is whole.
                connection.set_forward_done(true);
                std::io::Result::Ok((connection, handle))
            })
            .await?;
        let path = namespace.path().to_owned();
        let (connection, handle) =
            opened.map_err(|source| LinkError::Socket { namespace: path.clone(), source })?;
        // Ends by itself once the last handle is gone.
        tokio::spawn(connection);
        Ok(Self { handle, namespace: path, listing: Arc::default() })
    }

    pub(crate) fn namespace(&self) -> &Path {
        &self.namespace
    }

    /// To be held while something is listed.
    pub(crate) async fn listing(&self) -> MutexGuard<'_, ()> {
        self.listing.lock().await
    }

    /// Lists all links.
    pub(crate) async fn list(&self) -> Result<Vec<Link>, LinkError> {
        let told = self.dump("links", RouteNetlinkMessage::GetLink(LinkMessage::default())).await?;
        let link = |message| match message {
            RouteNetlinkMessage::NewLink(message) => Some(link_of(message)),
            _ => None,
        };
        Ok(told.into_iter().filter_map(link).collect())
    }

    /// Finds a link by its name.
    pub(crate) async fn find(&self, name: &str) -> Result<Option<Link>, LinkError> {
        let mut found = std::pin::pin!(self.handle.link().get().match_name(name).execute());
        match found.try_next().await {
            Ok(message) => Ok(message.map(link_of)),
            Err(error) => match kernel_error(error) {
                error if is(&error, Errno::ENODEV) => Ok(None),
                source => {
                    let namespace = self.namespace.clone();
                    Err(LinkError::List { what: "links", namespace, source })
                }
            },
        }
    }

    /// Finds a link that has to be there.
    pub(crate) async fn expect(&self, name: &str) -> Result<Link, LinkError> {
        let missing = || LinkError::Missing { link: name.to_owned(), namespace: self.namespace.clone() };
        self.find(name).await?.ok_or_else(missing)
    }

    /// Makes a veth pair.
    pub(crate) async fn add_veth(&self, pair: VethPair<'_>) -> Result<Link, LinkError> {
        let peer =
            LinkUnspec::new_with_name(pair.peer).mtu(pair.mtu).setns_by_fd(pair.peer_in.raw_fd()).build();
        let link = LinkVeth::new(pair.name, pair.peer)
            .mtu(pair.mtu)
            .link_group(pair.group)
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer)))
            .build();
        self.add(pair.name, link, "veth", "CONFIG_VETH").await?;
        self.expect(pair.name).await
    }

    /// Makes a link of a kind that the kernel may lack.
    pub(crate) async fn add(
        &self,
        name: &str,
        link: LinkMessage,
        kind: &'static str,
        option: &'static str,
    ) -> Result<(), LinkError> {
        self.handle.link().add(link).execute().await.map_err(|error| match kernel_error(error) {
            error if is(&error, Errno::EOPNOTSUPP) => LinkError::KernelLacks { kind, option },
            source => LinkError::Add { link: name.to_owned(), namespace: self.namespace.clone(), source },
        })
    }

    /// Gives a link, which has to be down, another name.
    pub(crate) async fn rename(&self, link: &Link, name: &str) -> Result<(), LinkError> {
        self.change(link, LinkUnspec::new_with_index(link.index).name(name).build()).await
    }

    /// Switches a link on.
    pub(crate) async fn set_up(&self, link: &Link) -> Result<(), LinkError> {
        self.change(link, LinkUnspec::new_with_index(link.index).up().build()).await
    }

    /// Puts a link into a group; asks for nothing if it was there when it was read, since asking is told to all who listen.
    pub(crate) async fn set_group(&self, link: &Link, group: u32) -> Result<(), LinkError> {
        if link.group == group {
            return Ok(());
        }
        self.change(link, LinkUnspec::new_with_index(link.index).link_group(group).build()).await
    }

    /// Gives a link an alias.
    pub(crate) async fn set_alias(&self, link: &Link, alias: &str) -> Result<(), LinkError> {
        self.change(link, LinkUnspec::new_with_index(link.index).alias(alias).build()).await
    }

    /// Changes the largest packet a link takes, in bytes.
    pub(crate) async fn set_mtu(&self, link: &Link, mtu: u32) -> Result<(), LinkError> {
        self.change(link, LinkUnspec::new_with_index(link.index).mtu(mtu).build()).await
    }

    /// Removes a link, and with it the other end of a pair; nothing happens when there is none.
    pub(crate) async fn delete(&self, name: &str) -> Result<(), LinkError> {
        let Some(link) = self.find(name).await? else { return Ok(()) };
        match self.handle.link().del(link.index).execute().await.map_err(kernel_error) {
            // The other end may have taken it along meanwhile.
            Err(source) if !is(&source, Errno::ENODEV) => {
                Err(LinkError::Delete { link: link.name, namespace: self.namespace.clone(), source })
            }
            Ok(()) | Err(_) => Ok(()),
        }
    }

    async fn change(&self, link: &Link, message: LinkMessage) -> Result<(), LinkError> {
        self.handle.link().change(message).execute().await.map_err(|error| LinkError::Change {
            link: link.name.clone(),
            namespace: self.namespace.clone(),
            source: kernel_error(error),
        })
    }
}

/// Tells whether the kernel answered with this error.
pub(crate) fn is(error: &io::Error, errno: Errno) -> bool {
    error.raw_os_error() == Some(errno as i32)
}

fn link_of(message: LinkMessage) -> Link {
    let flags = message.header.flags;
    let (up, is_bent) = (flags.contains(LinkFlags::Up), flags.contains(LinkFlags::Noarp));
    let mut link = Link { index: message.header.index, up, is_bent, ..Link::default() };
    for attribute in message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => link.name = name,
            LinkAttribute::Mtu(mtu) => link.mtu = mtu,
            LinkAttribute::Group(group) => link.group = group,
            LinkAttribute::IfAlias(alias) => link.alias = Some(alias),
            LinkAttribute::Link(peer) => link.peer = Some(peer),
            LinkAttribute::Address(address) => link.address = address,
            LinkAttribute::Controller(master) => link.is_bent |= master != 0,
            LinkAttribute::LinkInfo(infos) => {
                for info in infos {
                    match info {
                        LinkInfo::Kind(kind) => link.kind = Some(kind),
                        LinkInfo::Data(data) => link.data = Some(data),
                        _ => {}
                    }
                }
            }
            _ => {}
        }
    }
    link
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::future::try_join_all;
    use rtnetlink::LinkBridge;

    #[tokio::test(flavor = "multi_thread", worker_threads = 2)]
    async fn many_may_list_at_once() {
        let namespace = Namespace::temporary().await.unwrap();
        let links = Links::of(&namespace).await.unwrap();
        // A list this long is told in several parts.
        for number in 0..40 {
            let link = LinkBridge::new(&format!("bridge{number}")).build();
            links.handle.link().add(link).execute().await.unwrap();
        }
        let list = |_| {
            let links = links.clone();
            tokio::spawn(async move {
                for _ in 0..50 {
                    assert!(links.list().await.unwrap().len() >= 41);
                }
            })
        };
        try_join_all((0..8).map(list)).await.unwrap();
    }
}
