//! What tasks and the kernel see of networks that are told, gone, told again or faulty.

use super::*;
use crate::network_kernel::{Extent, KernelError};
use futures::FutureExt;
use manager_store::disk::MemDisk;
use proto::model::{Id, Ipv4Pool, NetworkInfo, NetworkUpdate};
use std::{
    collections::{BTreeMap, BTreeSet},
    sync::{
        Mutex,
        atomic::{AtomicBool, AtomicU32, Ordering},
    },
};
use tokio::time::timeout;
use worker_core::acknowledgement::Progress;
use worker_network::OverlayError;

/// Holds networks as the kernel does: two never have the same number on the wire.
#[derive(Debug, Default)]
struct FakeKernel {
    held: Mutex<BTreeMap<NetworkId, u32>>,
    removed: Mutex<BTreeSet<NetworkId>>,
    /// How many times it will fail.
    faults: AtomicU32,
    tries: AtomicU32,
    /// Whether a program of the node listens on a published port.
    has_busy_port: AtomicBool,
    /// One that it never carries out.
    broken: Option<NetworkId>,
}

impl Kernel for FakeKernel {
    fn list(&self) -> Vec<NetworkId> {
        self.held.lock().unwrap().keys().copied().collect()
    }

    async fn apply(&self, table: &NetworkTable) -> Result<Extent, KernelError> {
        let (network, vni) = (table.info.id, table.info.vni);
        self.tries.fetch_add(1, Ordering::Relaxed);
        let fails = |left: u32| left.checked_sub(1);
        let has_fault = self.faults.fetch_update(Ordering::Relaxed, Ordering::Relaxed, fails).is_ok();
        let mut held = self.held.lock().unwrap();
        if has_fault
            || self.broken == Some(network)
            || held.iter().any(|(id, taken)| *id != network && *taken == vni)
        {
            return Err(OverlayError::VniTaken { network, vni }.into());
        }
        held.insert(network, vni);
        Ok(if self.has_busy_port.load(Ordering::Relaxed) { Extent::ButPorts } else { Extent::Whole })
    }

    async fn remove(&self, id: NetworkId) -> Result<(), KernelError> {
        self.held.lock().unwrap().remove(&id);
        self.removed.lock().unwrap().insert(id);
        Ok(())
    }
}

fn id(number: u128) -> NetworkId {
    Id::from_bits(number)
}

/// These networks, all with the same name and number on the wire, and no others.
fn all(networks: &[u128]) -> Told {
    let subnet = "10.5.0.0/24".parse().unwrap();
    let info = |&number: &u128| NetworkInfo {
        id: id(number),
        name: "front".parse().unwrap(),
        vni: 4096,
        ipv4: Ipv4Pool { subnet, gateway: "10.5.0.1".parse().unwrap(), range: subnet },
        ipv6: None,
        mtu: None,
        internal: false,
        ingress: false,
        kind: Default::default(),
    };
    let update = |number| NetworkUpdate {
        full: true,
        info: info(number),
        put_peers: Vec::new(),
        remove_peers: Vec::new(),
        put_services: Vec::new(),
        remove_services: Vec::new(),
    };
    Told { full: true, updates: networks.iter().map(update).collect(), remove: Vec::new() }
}

/// Tries again at once, and has tasks wait as long as a test can take.
fn patient() -> Networks {
    Networks { retry: Duration::ZERO, patience: Duration::from_secs(3600), ..Networks::default() }
}

/// Has tasks wait as good as not.
fn impatient() -> Networks {
    Networks { retry: Duration::ZERO, patience: Duration::ZERO, ..Networks::default() }
}

/// Follows until something else is done.
async fn while_following<T>(networks: &Networks, kernel: &FakeKernel, work: impl Future<Output = T>) -> T {
    let stop = CancellationToken::new();
    tokio::select! {
        done = work => done,
        () = networks.follow(kernel, &stop) => panic!("nobody stopped it"),
    }
}

#[tokio::test]
async fn a_network_that_takes_the_place_of_a_removed_one_is_carried_out_at_once() {
    let (networks, kernel) = (patient(), FakeKernel::default());
    networks.take(all(&[2])).unwrap();
    while_following(&networks, &kernel, networks.ready(id(2))).await.unwrap();
    networks.take(all(&[1])).unwrap();
    while_following(&networks, &kernel, networks.ready(id(1))).await.unwrap();
    assert_eq!((kernel.list(), kernel.tries.load(Ordering::Relaxed)), (vec![id(1)], 2));
    assert_eq!(networks.told().len(), 1);
}

#[tokio::test]
async fn what_an_earlier_daemon_left_is_removed_only_when_the_managers_do_not_name_it() {
    let (networks, kernel) = (patient(), FakeKernel::default());
    kernel.held.lock().unwrap().insert(id(7), 5000);
    assert_eq!(networks.follow(&kernel, &CancellationToken::new()).now_or_never(), None);
    assert_eq!(kernel.list(), [id(7)], "nothing was told yet");
    networks.take(all(&[1])).unwrap();
    while_following(&networks, &kernel, networks.ready(id(1))).await.unwrap();
    assert_eq!(kernel.list(), [id(1)]);
}

/// What a daemon that starts knows, after another one was told this and ended.
async fn restarted(told: Told) -> Networks {
    let (ledger, networks) = (Ledger::open(Arc::new(MemDisk::new())).unwrap(), impatient());
    networks.take(told).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    networks.keep(&ledger, &stop).await;
    assert_eq!(ledger.networks().unwrap(), None, "it was stopped before it began");
    let stop = CancellationToken::new();
    let keeping = networks.keep(&ledger, &stop);
    let stopping = async { stop.cancel() };
    futures::join!(keeping, stopping);
    Networks { retry: Duration::ZERO, ..Networks::recovered(ledger.networks().unwrap()) }
}

#[tokio::test]
async fn what_was_told_before_a_restart_is_carried_out_while_the_managers_are_away() {
    let (networks, kernel) = (restarted(all(&[1])).await, FakeKernel::default());
    kernel.held.lock().unwrap().insert(id(7), 5000);
    while_following(&networks, &kernel, networks.ready(id(1))).await.unwrap();
    assert_eq!(kernel.list(), [id(1), id(7)], "it may have been told last, and be missing in the ledger");
    let impatient = Networks { patience: Duration::ZERO, ..networks };
    let waited = timeout(Duration::from_millis(50), impatient.ready(id(7)));
    assert!(while_following(&impatient, &kernel, waited).await.is_err(), "it may still be told");
}

#[tokio::test]
async fn what_is_told_again_after_a_restart_is_not_carried_out_again() {
    let (networks, kernel) = (restarted(all(&[1])).await, FakeKernel::default());
    while_following(&networks, &kernel, networks.ready(id(1))).await.unwrap();
    networks.take(all(&[1])).unwrap();
    assert!(!networks.carry_out(&known(&networks), &kernel, &CancellationToken::new()).await);
    assert_eq!(kernel.tries.load(Ordering::Relaxed), 1);
    networks.take(all(&[])).unwrap();
    networks.carry_out(&known(&networks), &kernel, &CancellationToken::new()).await;
    assert_eq!(kernel.list(), []);
}

#[tokio::test]
async fn a_task_waits_while_a_fault_passes() {
    let (networks, kernel) = (patient(), FakeKernel::default());
    kernel.faults.store(3, Ordering::Relaxed);
    networks.take(all(&[1])).unwrap();
    assert!(networks.carry_out(&known(&networks), &kernel, &CancellationToken::new()).await);
    assert_eq!(while_following(&networks, &kernel, networks.ready(id(1))).await.unwrap().info.id, id(1));
}

#[tokio::test]
async fn a_fault_that_lasts_is_said() {
    let (networks, kernel) = (impatient(), FakeKernel::default());
    kernel.faults.store(u32::MAX, Ordering::Relaxed);
    networks.take(all(&[1])).unwrap();
    let fault = while_following(&networks, &kernel, networks.ready(id(1))).await.unwrap_err();
    let said = fault.to_string();
    assert!(said.contains("`front`") && said.contains("4096"), "{said}");
}

#[tokio::test]
async fn a_task_waits_for_managers_that_are_away_and_not_for_a_network_they_do_not_name() {
    let (networks, kernel) = (impatient(), FakeKernel::default());
    // Many times its patience.
    let waited = timeout(Duration::from_millis(50), networks.ready(id(1)));
    assert!(while_following(&networks, &kernel, waited).await.is_err(), "the managers are away");
    networks.take(all(&[])).unwrap();
    let fault = while_following(&networks, &kernel, networks.ready(id(1))).await.unwrap_err();
    assert!(matches!(fault, NetworkFault::Untold(network) if network == id(1)));
}

#[tokio::test]
async fn a_network_that_cannot_be_carried_out_is_lacking_and_keeps_no_other_back() {
    let (networks, kernel) = (patient(), FakeKernel { broken: Some(id(1)), ..FakeKernel::default() });
    let mut reached = networks.carried_out();
    let mut is_reached = async |edition, lacking: &[u128]| {
        let lacking = lacking.iter().map(|&number| id(number)).collect();
        let wanted = Progress { edition, lacking };
        let waited = async { reached.wait_for(|reached| *reached == wanted).await.map(drop) };
        while_following(&networks, &kernel, waited).await.unwrap();
    };
    let edition = networks.take(all(&[1])).unwrap();
    is_reached(edition, &[1]).await;
    let edition = networks.take(all(&[1, 2])).unwrap();
    is_reached(edition, &[1]).await;
    assert_eq!(kernel.list(), [id(2)]);
    let edition = networks.take(all(&[2])).unwrap();
    is_reached(edition, &[]).await;
}

#[tokio::test]
async fn a_port_in_use_keeps_no_task_from_its_network_and_is_tried_again() {
    let (networks, kernel) = (patient(), FakeKernel::default());
    kernel.has_busy_port.store(true, Ordering::Relaxed);
    networks.take(all(&[1])).unwrap();
    while_following(&networks, &kernel, networks.ready(id(1))).await.unwrap();
    let stop = CancellationToken::new();
    assert!(networks.carry_out(&known(&networks), &kernel, &stop).await);
    kernel.has_busy_port.store(false, Ordering::Relaxed);
    assert!(!networks.carry_out(&known(&networks), &kernel, &stop).await);
}

#[tokio::test]
async fn a_network_that_is_told_again_while_it_goes_is_not_taken_from_under_a_task() {
    let (networks, kernel) = (patient(), FakeKernel::default());
    let stop = CancellationToken::new();
    networks.take(all(&[1])).unwrap();
    networks.carry_out(&known(&networks), &kernel, &stop).await;
    networks.take(all(&[])).unwrap();
    let without = known(&networks);
    networks.take(all(&[1])).unwrap();
    // A task may have come right here, where the network is both told and carried out.
    networks.ready(id(1)).await.unwrap();
    networks.carry_out(&without, &kernel, &stop).await;
    assert_eq!(*kernel.removed.lock().unwrap(), BTreeSet::new());
    assert!(networks.states.is_empty(), "it is carried out anew before others may use it");
    while_following(&networks, &kernel, networks.ready(id(1))).await.unwrap();
}

#[tokio::test]
async fn nothing_is_begun_after_the_stop() {
    let (networks, kernel) = (patient(), FakeKernel::default());
    networks.take(all(&[1])).unwrap();
    let stop = CancellationToken::new();
    stop.cancel();
    networks.follow(&kernel, &stop).await;
    assert!(!networks.carry_out(&known(&networks), &kernel, &stop).await);
    assert_eq!(kernel.tries.load(Ordering::Relaxed), 0);
}

fn known(networks: &Networks) -> Known {
    networks.known.borrow().clone()
}
