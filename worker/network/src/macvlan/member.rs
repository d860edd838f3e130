//! A container's link on a link of the node.

use std::net::IpAddr;

use ipnet::IpNet;
use proto::model::{Macvlan, MacvlanMode, NetworkId, TaskId};
use rtnetlink::LinkMacVlan;
use rtnetlink::packet_route::link::{InfoData, MacVlanMode};
use worker_core::macvlan::{guard, guard_table, link_on_its_way, mac_of};
use worker_core::network::InterfaceAddress;
use worker_core::overlay::{Interface, Mac};

use crate::links::{Link, Links};
use crate::macvlan::error::{MacvlanError, MacvlanFault};
use crate::macvlan::parent::{failed, refused};
use crate::namespace::Namespace;
use crate::nft::Nft;
use crate::routes::{Route, Way};
use crate::sysctl::{self, Setting};

/// A container that is to have a link.
pub(crate) struct Member<'a> {
    pub(crate) task: TaskId,
    pub(crate) network: NetworkId,
    pub(crate) macvlan: &'a Macvlan,
    pub(crate) namespace: &'a Namespace,
    pub(crate) interface: Interface,
    pub(crate) addresses: &'a [InterfaceAddress],
    /// The largest packet it is to send, in bytes; `None` takes what the node's link allows.
    pub(crate) mtu: Option<u16>,
    /// Whether its way out is the network's gateway.
    pub(crate) leads_out: bool,
}

impl Member<'_> {
    /// Gives the container its link, which may be there already.
    pub(crate) async fn join(&self, host: &Links, parent: &Link, nft: &Nft) -> Result<(), MacvlanError> {
        let failed = |fault: MacvlanFault| failed("join", self.network, &self.macvlan.parent, fault);
        let inside = Links::of(self.namespace).await.map_err(|error| failed(error.into()))?;
        let name = self.interface.to_string();
        let present = inside.find(&name).await.map_err(|error| failed(error.into()))?;
        if present.is_none() {
            self.make(host, parent, &inside).await?;
        }
        self.furnish(&inside, nft).await.map_err(failed)
    }

    /// Makes the link. It has another name at first: the kernel also looks at the names of the node's own links.
    async fn make(&self, host: &Links, parent: &Link, inside: &Links) -> Result<(), MacvlanError> {
        if let Some(asked) = self.mtu.filter(|asked| u32::from(*asked) > parent.mtu) {
            let (parent, mtu) = (self.macvlan.parent.to_string(), parent.mtu);
            return Err(MacvlanError::ParentTooSmall { parent, asked, mtu });
        }
        let on_its_way = link_on_its_way(self.task);
        let mode = match self.macvlan.mode {
            MacvlanMode::Bridge => MacVlanMode::Bridge,
            MacvlanMode::Private => MacVlanMode::Private,
            MacvlanMode::Vepa => MacVlanMode::Vepa,
            MacvlanMode::Passthru => MacVlanMode::Passthrough,
        };
        let mut link = LinkMacVlan::new(&on_its_way, parent.index, mode).setns_by_fd(self.namespace.raw_fd());
        if let Some(mac) = self.own_mac() {
            link = link.address(mac.0.to_vec());
        }
        if let Some(mtu) = self.mtu {
            link = link.mtu(mtu.into());
        }
        let left = inside.delete(&on_its_way).await;
        left.map_err(|error| failed("join", self.network, &self.macvlan.parent, error))?;
        let added = host.add(&on_its_way, link.build(), "macvlan", "CONFIG_MACVLAN").await;
        added.map_err(|error| refused(self.network, &self.macvlan.parent, self.macvlan.mode, error))?;
        let renamed = async {
            let link = inside.expect(&on_its_way).await?;
            inside.rename(&link, &self.interface.to_string()).await
        };
        renamed.await.map_err(|error| failed("join", self.network, &self.macvlan.parent, error))
    }

    /// The hardware address it is given; the only one on a link has the link's own.
    fn own_mac(&self) -> Option<Mac> {
        let ipv4 = self.addresses.iter().find_map(|held| match held.address {
            IpAddr::V4(address) => Some(address),
            IpAddr::V6(_) => None,
        });
        ipv4.filter(|_| self.macvlan.mode != MacvlanMode::Passthru).map(mac_of)
    }

    /// The hardware address it has.
    fn mac_of(&self, link: &Link) -> Mac {
        // With none at all nothing gets past the guard.
        let present = || link.address.as_slice().try_into().map_or(Mac([0; 6]), Mac);
        self.own_mac().unwrap_or_else(present)
    }

    /// Switches the link on, guarded, with addresses and routes.
    async fn furnish(&self, inside: &Links, nft: &Nft) -> Result<(), MacvlanFault> {
        let name = self.interface.to_string();
        // Neighbours are told at once that an address has moved here.
        let mut settings = vec![Setting::new(format!("ipv4/conf/{name}/arp_notify"), "1")];
        if self.addresses.iter().any(|held| held.address.is_ipv6()) {
            let setting = |key: &str, value| Setting::new(format!("ipv6/conf/{name}/{key}"), value);
            // The link-local address is to be that which the guard knows.
            let common =
                [("disable_ipv6", "0"), ("accept_ra", "0"), ("addr_gen_mode", "0"), ("ndisc_notify", "1")];
            settings.extend(common.map(|(key, value)| setting(key, value)));
            // Others are on the link too, and somebody may have the address. No container waits until that is known, so
            // a kernel that can't use an address meanwhile does not ask.
            let meanwhile = setting("optimistic_dad", "1");
            if sysctl::exists(self.namespace, &meanwhile).await? {
                settings.extend([setting("accept_dad", "1"), meanwhile, setting("use_optimistic", "1")]);
            } else {
                settings.push(setting("accept_dad", "0"));
            }
        }
        sysctl::apply(self.namespace, settings).await?;
        let link = inside.expect(&name).await?;
        let script = guard(self.interface, self.mac_of(&link), self.addresses);
        nft.load(self.namespace, &guard_table(self.interface), script).await?;
        let lo = inside.expect("lo").await?;
        inside.set_up(&lo).await?;
        let present = inside.addresses().await?;
        let lacks = |address| !present.iter().any(|it| it.link == link.index && it.address == address);
        for held in self.addresses.iter().filter(|held| lacks(held.address)) {
            inside.put_address_checked(&link, held.address, held.prefix).await?;
        }
        inside.set_up(&link).await?;
        for held in self.addresses {
            let single = IpNet::from(held.address);
            let subnet = IpNet::new(held.address, held.prefix).map_or(single, |net| net.trunc());
            let (destination, prefix) = (subnet.addr(), subnet.prefix_len());
            inside.put_route(Route { destination, prefix, way: Way::Link(link.index) }).await?;
            if self.leads_out {
                inside.put_route(Route::default_by(held.gateway, &link)).await?;
            }
        }
        Ok(())
    }
}

/// Takes all such links of a container away: its addresses are free for others at once, also while its namespace lives on.
pub(crate) async fn cut(namespace: &Namespace) -> Result<(), MacvlanFault> {
    let inside = Links::of(namespace).await?;
    for link in inside.list().await? {
        if matches!(link.data, Some(InfoData::MacVlan(_))) {
            inside.delete(&link.name).await?;
        }
    }
    Ok(())
}
