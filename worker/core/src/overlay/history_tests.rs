//! Properties: what matters is what the table says, not how it came to; and a difference leads from one state to the other.

use proptest::prelude::*;
use proto::model::{EndpointState, NetworkTable, NetworkUpdate};

use super::diff::{Step, diff};
use super::difference::differences;
use super::elements::Elements;
use super::follow::Plan;
use super::plan::View;
use super::sample::{
    UNDERLAY_MTU, containers, desired, desired_mesh, info, node, peer, publish, service, uplink,
};
use super::state::{Desired, Kernel};

/// What the table says in the end, of each thing that may be there.
#[derive(Debug, Clone)]
struct Facts {
    /// Blocks and single numbers of the nodes 1 to 4; node 1 is always there.
    peers: Vec<Option<(Vec<u32>, Vec<u32>)>>,
    /// Endpoints of the services 1 to 3.
    services: Vec<Option<Vec<(u32, u8, bool)>>>,
    /// Numbers of node 1's containers.
    containers: Vec<u32>,
    ipv6: bool,
    mtu: Option<u16>,
    /// Whether it is the ingress network, through which the services publish ports.
    ingress: bool,
}

fn facts() -> impl Strategy<Value = Facts> {
    let peer = (prop::collection::vec(1u32..14, 0..3), prop::collection::vec(16u32..250, 0..3));
    let endpoints = prop::collection::vec((16u32..250, 1u8..=4, any::<bool>()), 0..7);
    (
        prop::collection::vec(prop::option::of(peer), 4),
        prop::collection::vec(prop::option::of(endpoints), 3),
        prop::collection::btree_set(16u32..40, 0..4),
        any::<bool>(),
        prop::option::of(1280u16..1400),
        any::<bool>(),
    )
        .prop_map(|(mut peers, services, containers, ipv6, mtu, ingress)| {
            peers[0].get_or_insert_default();
            Facts { peers, services, containers: containers.into_iter().collect(), ipv6, mtu, ingress }
        })
}

impl Facts {
    /// The update that says all of this at once.
    fn update(&self, full: bool) -> NetworkUpdate {
        let mut update = NetworkUpdate {
            full,
            info: proto::model::NetworkInfo { mtu: self.mtu, ..info(self.ipv6) },
            put_peers: Vec::new(),
            remove_peers: Vec::new(),
            put_services: Vec::new(),
            remove_services: Vec::new(),
        };
        for (index, held) in (1..).zip(&self.peers) {
            match held {
                Some((blocks, singles)) => update.put_peers.push(peer(index, blocks, singles)),
                None => update.remove_peers.push(node(index)),
            }
        }
        for (index, endpoints) in (1..).zip(&self.services) {
            let mut service =
                service(index, 250 + u32::from(index), endpoints.as_deref().unwrap_or_default());
            if self.ingress {
                publish(&mut service);
            }
            let idle = service.endpoints.values_mut().filter(|held| !held.serves() && held.number % 3 == 0);
            idle.for_each(|held| held.state = EndpointState::Draining);
            match endpoints {
                Some(_) => update.put_services.push(service),
                None => update.remove_services.push(service.id),
            }
        }
        update
    }

    fn table(&self) -> NetworkTable {
        let mut table = NetworkTable::new(info(false));
        table.apply(self.update(true));
        table
    }

    fn desired_of(&self, table: &NetworkTable) -> Desired {
        let containers = containers(&self.containers);
        if self.ingress { desired_mesh(table, &containers) } else { desired(table, &containers) }
    }

    fn desired(&self) -> Desired {
        self.desired_of(&self.table())
    }
}

/// Does to a state what the kernel does; the rules are checked by themselves.
fn take(kernel: &mut Kernel, step: Step) {
    let tunnel = kernel.tunnel.is_some();
    match step {
        Step::RemoveTunnel => kernel.drop_tunnel(),
        Step::AddTunnel(tunnel) => assert_eq!(kernel.tunnel.replace(tunnel), None),
        Step::SetTunnelMtu(mtu) => kernel.tunnel.as_mut().unwrap().mtu = mtu,
        Step::RemoveLink(name) => kernel.drop_link(&name),
        Step::AddLink(name, link) => assert_eq!(kernel.links.insert(name, link), None),
        Step::SetLinkMtu(name, link) => kernel.links.get_mut(&name).unwrap().mtu = link.mtu,
        Step::Raise(name) => assert!(kernel.down.remove(&name)),
        Step::AddAddress(link, net) => {
            assert!(link == "lo" || kernel.links.contains_key(&link), "{link} is not there");
            assert!(kernel.addresses.insert((link, net)));
        }
        Step::RemoveAddress(link, net) => assert!(kernel.addresses.remove(&(link, net))),
        Step::PutForwarding(mac, at) => {
            assert!(tunnel);
            kernel.forwarding.insert(mac, at);
        }
        Step::RemoveForwarding(mac) => assert!(kernel.forwarding.remove(&mac).is_some()),
        Step::PutNeighbour(router, mac) => {
            assert!(tunnel);
            kernel.neighbours.insert(router, mac);
        }
        Step::RemoveNeighbour(router) => assert!(kernel.neighbours.remove(&router).is_some()),
        Step::PutRoute(net, way) => {
            assert!(way.link() == "vx0" && tunnel || kernel.links.contains_key(way.link()));
            kernel.routes.insert(net, way);
        }
        Step::RemoveRoute(net, way) => assert_eq!(kernel.routes.remove(&net), Some(way)),
        Step::AddAnswers(router) => {
            assert!(kernel.neighbours.contains_key(&router));
            assert!(kernel.answers.insert(router));
        }
        Step::RemoveAnswers(router) => assert!(kernel.answers.remove(&router)),
        Step::AddUnreachable(net) => assert!(kernel.unreachable.insert(net)),
        Step::RemoveUnreachable(net) => assert!(kernel.unreachable.remove(&net)),
        Step::Load(_) | Step::Change(_) | Step::ForgetStaleFlows(_) => {}
    }
}

/// Keeps of each peer and service what was said of it before, where that is asked for.
fn mostly_the_same(history: Vec<(Facts, Vec<bool>)>) -> Vec<Facts> {
    let mut told: Vec<Facts> = Vec::new();
    for (mut at, kept) in history {
        if let Some(before) = told.last() {
            let peers = at.peers.iter_mut().zip(&before.peers).zip(&kept);
            peers.filter(|(_, kept)| **kept).for_each(|((now, before), _)| now.clone_from(before));
            let services = at.services.iter_mut().zip(&before.services).zip(kept.iter().rev());
            services.filter(|(_, kept)| **kept).for_each(|((now, before), _)| now.clone_from(before));
        }
        told.push(at);
    }
    told
}

/// Does to the elements of a table what nft does, which refuses to take what is not there.
fn take_elements(elements: &mut Elements, step: &Step, to: &Desired) {
    match step {
        Step::Load(_) => *elements = to.rules.elements(),
        Step::Change(change) => {
            change.remove.iter().for_each(|element| assert!(elements.remove(element), "{element}"));
            change.add.iter().for_each(|element| assert!(elements.insert(element.clone()), "{element}"));
        }
        _ => {}
    }
}

/// Takes something out of a state, as another program does.
fn lose(kernel: &mut Kernel, what: u8, index: &prop::sample::Index) {
    match what {
        0 => kernel.drop_tunnel(),
        1 if !kernel.links.is_empty() => {
            let name = kernel.links.keys().nth(index.index(kernel.links.len())).cloned();
            kernel.drop_link(&name.unwrap());
        }
        2 if !kernel.routes.is_empty() => {
            let net = kernel.routes.keys().nth(index.index(kernel.routes.len())).copied();
            kernel.routes.remove(&net.unwrap());
        }
        _ if kernel.tunnel.is_some() => drop(kernel.down.insert("vx0".to_owned())),
        _ => {}
    }
}

proptest! {
    #[test]
    fn histories_that_lead_to_the_same_table_lead_to_the_same_state(
        detour in prop::collection::vec(facts(), 0..4),
        end in facts(),
    ) {
        let mut table = NetworkTable::new(info(true));
        detour.iter().for_each(|facts| table.apply(facts.update(false)));
        table.apply(end.update(false));
        prop_assert_eq!(end.desired_of(&table), end.desired());
    }

    #[test]
    fn a_plan_that_follows_changes_says_what_a_new_one_does_and_leads_there(
        history in prop::collection::vec((facts(), prop::collection::vec(prop::bool::weighted(0.7), 7)), 1..8),
        is_one_network in prop::bool::weighted(0.8),
    ) {
        let mut history = mostly_the_same(history);
        let Facts { ipv6, mtu, ingress, .. } = history[0].clone();
        if is_one_network {
            history.iter_mut().for_each(|at| (at.ipv6, at.mtu, at.ingress) = (ipv6, mtu, ingress));
        }
        let mut table = history[0].table();
        let mut plan: Option<Plan> = None;
        let (mut kernel, mut elements) = (Kernel::default(), Elements::new());
        for at in history {
            table.apply(at.update(false));
            let containers = containers(&at.containers);
            let uplink = at.ingress.then(uplink).flatten();
            let view =
                View { node: node(1), table: &table, containers: &containers, underlay_mtu: UNDERLAY_MTU, uplink };
            let steps = match &mut plan {
                Some(plan) => plan.follow(&view).unwrap(),
                None => diff(&kernel, None, plan.insert(Plan::of(&view).unwrap()).desired()),
            };
            let desired = plan.as_ref().unwrap().desired();
            prop_assert_eq!(desired, &at.desired_of(&table));
            for step in steps {
                take_elements(&mut elements, &step, desired);
                take(&mut kernel, step);
            }
            prop_assert_eq!(&kernel, &desired.kernel);
            prop_assert_eq!(&elements, &desired.rules.elements());
        }
    }

    #[test]
    fn the_difference_of_two_states_leads_from_one_to_the_other(from in facts(), to in facts()) {
        let (from, to) = (from.desired(), to.desired());
        let mut kernel = from.kernel.clone();
        for step in diff(&from.kernel, Some(&from.rules), &to) {
            take(&mut kernel, step);
        }
        prop_assert_eq!(kernel, to.kernel);
    }

    #[test]
    fn what_was_lost_is_put_back_and_said(
        at in facts(),
        lost in prop::collection::vec((0u8..4, any::<prop::sample::Index>()), 0..6),
    ) {
        let at = at.desired();
        let mut kernel = at.kernel.clone();
        for (what, index) in lost {
            lose(&mut kernel, what, &index);
        }
        prop_assert_eq!(differences(&kernel, &at.kernel).is_empty(), kernel == at.kernel);
        for step in diff(&kernel.clone(), Some(&at.rules), &at) {
            take(&mut kernel, step);
        }
        prop_assert_eq!(kernel, at.kernel);
    }

    #[test]
    fn nothing_is_done_to_a_state_that_is_right(at in facts()) {
        let at = at.desired();
        prop_assert_eq!(diff(&at.kernel, Some(&at.rules), &at), vec![]);
    }

    #[test]
    fn a_state_is_made_from_nothing(to in facts()) {
        let to = to.desired();
        let mut kernel = Kernel::default();
        for step in diff(&Kernel::default(), None, &to) {
            take(&mut kernel, step);
        }
        prop_assert_eq!(kernel, to.kernel);
    }
}
