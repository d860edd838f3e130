//! The links, addresses and routes of one namespace, over a netlink socket opened in it.

use crate::subnet::{PREFIX, PREFIX_V6};
use futures::TryStreamExt;
use nix::errno::Errno;
use rtnetlink::{
    Handle, LinkBridge, LinkUnspec, LinkVeth, RouteMessageBuilder,
    packet_route::{
        address::{AddressAttribute, AddressFlags},
        link::{InfoData, InfoVeth, LinkAttribute, LinkMessage},
    },
};
use std::{
    io,
    net::{IpAddr, Ipv4Addr},
    os::fd::{AsFd, AsRawFd},
    path::{Path, PathBuf},
};
use worker_network::{Namespace, NamespaceError};

/// The namespace of the calling thread: the machine's own, for a program that was started in it.
pub(crate) const MACHINE: &str = "/proc/thread-self/ns/net";

/// Says what could not be done with a namespace's links.
#[derive(Debug, thiserror::Error)]
pub enum LinkError {
    /// The namespace can't be opened or entered.
    #[error(transparent)]
    Namespace(#[from] NamespaceError),
    /// There is no socket to the kernel.
    #[error("can't open a netlink socket in the namespace `{namespace}`")]
    Socket {
        /// The namespace.
        namespace: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// The kernel refuses something.
    #[error("can't {action} {subject} in the namespace `{namespace}`")]
    Refused {
        /// What was being done.
        action: &'static str,
        /// To which link, address or route.
        subject: String,
        /// The namespace.
        namespace: PathBuf,
        /// What the kernel said.
        #[source]
        source: io::Error,
    },
    /// A link that has to be there is not.
    #[error(
        "there is no link `{link}` in the namespace `{namespace}`: run `shoal up` again to make what is missing"
    )]
    Missing {
        /// The link.
        link: String,
        /// The namespace.
        namespace: PathBuf,
    },
}

/// One end of a link, and the namespace it is to be in.
pub(crate) struct End<'a> {
    pub name: &'a str,
    pub namespace: &'a Namespace,
}

/// A netlink socket in a namespace.
pub(crate) struct Links {
    pub handle: Handle,
    namespace: PathBuf,
}

impl Links {
    /// Opens a socket in a namespace; it stays there although the runtime's own threads use it.
    pub async fn of(namespace: &Namespace) -> Result<Self, LinkError> {
        let runtime = tokio::runtime::Handle::current();
        let opened = namespace
            .run(move || {
                let _runtime = runtime.enter();
                rtnetlink::new_connection()
            })
            .await?;
        let path = namespace.path().to_owned();
        let (connection, handle, _) =
            opened.map_err(|source| LinkError::Socket { namespace: path.clone(), source })?;
        // Ends by itself once the last handle is gone.
        tokio::spawn(connection);
        Ok(Self { handle, namespace: path })
    }

    /// Finds a link's index by its name.
    pub async fn find(&self, name: &str) -> Result<Option<u32>, LinkError> {
        let mut found = std::pin::pin!(self.handle.link().get().match_name(name).execute());
        match found.try_next().await {
            Ok(message) => Ok(message.map(|message| message.header.index)),
            Err(error) if is(&error, Errno::ENODEV) => Ok(None),
            Err(error) => Err(self.refused("find", name, error)),
        }
    }

    /// Finds the index of a link that has to be there.
    pub async fn expect(&self, name: &str) -> Result<u32, LinkError> {
        let missing = || LinkError::Missing { link: name.to_owned(), namespace: self.namespace.clone() };
        self.find(name).await?.ok_or_else(missing)
    }

    /// Makes a bridge and switches it on.
    pub async fn add_bridge(&self, name: &str) -> Result<(), LinkError> {
        self.add(name, LinkBridge::new(name).up().build()).await
    }

    /// Makes a pair of ends, this one as a port of a bridge and switched on.
    pub async fn add_port(&self, name: &str, bridge: &str, peer: End<'_>) -> Result<(), LinkError> {
        let bridge = self.expect(bridge).await?;
        let descriptor = peer.namespace.as_fd().as_raw_fd();
        let peer_end = LinkUnspec::new_with_name(peer.name).setns_by_fd(descriptor).build();
        let port = LinkVeth::new(name, peer.name)
            .controller(bridge)
            .up()
            .set_info_data(InfoData::Veth(InfoVeth::Peer(peer_end)));
        self.add(name, port.build()).await
    }

    /// Switches a link on or off.
    pub async fn set(&self, name: &str, on: bool) -> Result<(), LinkError> {
        let link = LinkUnspec::new_with_index(self.expect(name).await?);
        let message = if on { link.up() } else { link.down() }.build();
        let action = if on { "switch on" } else { "switch off" };
        self.handle.link().change(message).execute().await.map_err(|error| self.refused(action, name, error))
    }

    /// Removes a link, and with it the other end; nothing happens when there is none.
    pub async fn delete(&self, name: &str) -> Result<(), LinkError> {
        let Some(index) = self.find(name).await? else { return Ok(()) };
        match self.handle.link().del(index).execute().await {
            // The other end may have taken it along meanwhile.
            Err(error) if !is(&error, Errno::ENODEV) => Err(self.refused("remove", name, error)),
            _ => Ok(()),
        }
    }

    /// Gives a link an address of the cluster's network.
    pub async fn add_address(&self, link: &str, address: IpAddr) -> Result<(), LinkError> {
        let prefix = if address.is_ipv4() { PREFIX } else { PREFIX_V6 };
        let mut request = self.handle.address().add(self.expect(link).await?, address, prefix).replace();
        if address.is_ipv6() {
            // Nobody else has it: using it at once beats a second of looking for duplicates.
            request.message_mut().attributes.push(AddressAttribute::Flags(AddressFlags::Nodad));
        }
        request.execute().await.map_err(|error| self.refused("add the address", &address.to_string(), error))
    }

    /// Sends what is for nobody in the network to a gateway.
    pub async fn add_default_route(&self, gateway: Ipv4Addr) -> Result<(), LinkError> {
        let route = RouteMessageBuilder::<Ipv4Addr>::new().gateway(gateway).build();
        let added = self.handle.route().add(route).replace().execute().await;
        added.map_err(|error| self.refused("add the default route by", &gateway.to_string(), error))
    }

    /// Whether a link is there and switched on.
    pub async fn is_on(&self, name: &str) -> Result<bool, LinkError> {
        let mut found = std::pin::pin!(self.handle.link().get().match_name(name).execute());
        match found.try_next().await {
            Ok(message) => Ok(message.is_some_and(|message| is_up(&message))),
            Err(error) if is(&error, Errno::ENODEV) => Ok(false),
            Err(error) => Err(self.refused("find", name, error)),
        }
    }

    async fn add(&self, name: &str, link: LinkMessage) -> Result<(), LinkError> {
        self.handle
            .link()
            .add(link)
            .execute()
            .await
            .map_err(|error| self.refused("add the link", name, error))
    }

    pub fn refused(&self, action: &'static str, subject: &str, error: rtnetlink::Error) -> LinkError {
        let source = match error {
            // The message alone: the other errors are not the kernel's.
            rtnetlink::Error::NetlinkError(message) => message.to_io(),
            other => io::Error::other(other),
        };
        LinkError::Refused { action, subject: subject.to_owned(), namespace: self.namespace.clone(), source }
    }
}

/// Opens the namespace of the calling thread.
pub(crate) fn machine() -> Result<Namespace, NamespaceError> {
    Namespace::open(Path::new(MACHINE))
}

fn is_up(message: &LinkMessage) -> bool {
    use rtnetlink::packet_route::link::State;
    let carrier = |attribute: &LinkAttribute| matches!(attribute, LinkAttribute::OperState(State::Up));
    message.attributes.iter().any(carrier)
}

/// Whether the kernel answered with this error.
fn is(error: &rtnetlink::Error, errno: Errno) -> bool {
    matches!(error, rtnetlink::Error::NetlinkError(message) if message.raw_code() == -(errno as i32))
}
