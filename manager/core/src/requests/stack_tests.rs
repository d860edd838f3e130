use super::*;
use crate::testing::{BROKEN_IMAGE, Bench, network_in, network_spec, node, service, stack};
use proto::model::{HealthStatus, StackCondition, TaskState, TaskStatus};

fn named(bench: &Bench, name: &str) -> Arc<Service> {
    bench.state.service_named(&name.parse().unwrap()).expect("the service is there").clone()
}

fn changes(changes: &[(String, Action)]) -> String {
    changes.iter().map(|(name, action)| format!("{name} {action:?}")).collect::<Vec<_>>().join(", ")
}

#[test]
fn a_stack_is_made_changed_and_made_smaller_in_one_change_each() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let shop = |image: &str| {
        stack("shop").network("shop_front").service(service("shop_web").image(image).replicas(2))
    };
    let with_db = shop("app:1").service(service("shop_db"));
    let before = bench.state.version();
    let ids = bench.stack_ids(&with_db);
    let with_db = with_db.attached(ids.networks[&"shop_front".parse().unwrap()]);
    let made = bench.deploy_as(with_db.clone(), false, &ids).unwrap();
    assert_eq!(changes(&made), "shop_front Create, shop_web Create, shop_db Create");
    assert_eq!(bench.state.version(), before + 1);
    bench.settle();
    assert_eq!(bench.states(named(&bench, "shop_web").id), [TaskState::Running; 2]);
    let image = bench.state.to_image();
    assert_eq!(State::from_image(image).unwrap().stacks().count(), 1);

    // Asked for again, nothing happens at all.
    let known = bench.state.network_named(&"shop_front".parse().unwrap()).unwrap().id;
    let again = shop("app:1").service(service("shop_db")).attached(known);
    let version = bench.state.version();
    let ids = bench.stack_ids(&again);
    let applied = apply(&bench.state, again.build(), true, &ids, bench.now).unwrap();
    assert!(applied.transaction.changes.is_empty(), "{:?}", applied.transaction);
    assert_eq!(bench.state.version(), version);

    let changed = bench.deploy(shop("app:2"), false).unwrap();
    assert_eq!(changes(&changed), "shop_front None, shop_web Update");
    assert!(!named(&bench, "shop_db").removing, "only --prune removes");
    let pruned = bench.deploy(shop("app:2"), true).unwrap();
    assert_eq!(changes(&pruned), "shop_front None, shop_web None, shop_db Remove");
    bench.settle();
    assert!(bench.state.service_named(&"shop_db".parse().unwrap()).is_none());
}

#[test]
fn what_is_in_the_way_is_said_all_at_once_and_nothing_is_done() {
    let mut bench = Bench::new();
    bench.create(service("shop_web"));
    bench.create(service("other").ingress_port(80));
    bench.add_network(network_spec("shop_back"));
    bench.deploy(stack("shop").network("shop_front").service(service("shop_db")), false).unwrap();
    let wanted = stack("shop")
        .network_of(network_in("shop_front", "10.9.0.0/24"))
        .network("shop_back")
        .service(service("shop_web"))
        .service(service("shop_api").ingress_port(80))
        .service(service("shop_db").global());
    let before = bench.state.clone();
    let refused = bench.deploy(wanted, true).unwrap_err();
    let expected = "\
network shop_front: a network can't be changed, and this one is to differ in ipam: give it another name, or remove the stack first
network shop_back: there is a network of this name that is not the stack's: write external: true to use it, or give the stack's another name
service shop_web: there is a service of this name that is not the stack's: rename one of them, or remove that one
service shop_api: port 80/tcp of every node is taken by service `other`, or would be taken from it: choose another port
service shop_db: service mode change is not allowed: create a new service and remove `shop_db`";
    assert_eq!(refused, expected);
    assert_eq!(bench.state, before);
}

#[test]
fn two_services_of_one_stack_can_not_have_one_port() {
    let mut bench = Bench::new();
    let wanted =
        stack("shop").service(service("shop_a").ingress_port(80)).service(service("shop_b").ingress_port(80));
    let refused = bench.deploy(wanted, false).unwrap_err();
    assert!(
        refused.starts_with("service shop_b: port 80/tcp of every node is taken by service `shop_a`"),
        "{refused}"
    );
    assert_eq!(bench.state.services().count(), 0);
}

#[test]
fn a_scale_that_is_not_asked_for_stays() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let shop = |image: &str| stack("shop").service(service("shop_web").image(image).replicas(1));
    bench.deploy(shop("app:1").of_any_scale(), false).unwrap();
    let web = named(&bench, "shop_web").id;
    bench.scale(web, 5);
    bench.deploy(shop("app:2").of_any_scale(), false).unwrap();
    assert_eq!(bench.service(web).spec.mode, ServiceMode::Replicated { replicas: 5 });
    bench.deploy(shop("app:2"), false).unwrap();
    assert_eq!(bench.service(web).spec.mode, ServiceMode::Replicated { replicas: 1 });
}

#[test]
fn a_stack_is_removed_with_its_networks_once_its_tasks_have_ended() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let shop = stack("shop").network("shop_front").service(service("shop_web"));
    let ids = bench.stack_ids(&shop);
    let front = ids.networks[&"shop_front".parse().unwrap()];
    bench.deploy_as(shop.clone().attached(front), false, &ids).unwrap();
    bench.settle();
    let known = |bench: &Bench| bench.state.stack_named(&"shop".parse().unwrap()).cloned();
    // Something else that is in the network is in the way.
    let guest = bench.create(service("guest").network(front));
    let refused = remove(&bench.state, &known(&bench).unwrap(), bench.now).unwrap_err().to_string();
    assert_eq!(
        refused,
        "network shop_front: it is in use by service `guest`, outside of the stack: update or remove them first"
    );
    bench.remove(guest);
    bench.settle();
    let removed = remove(&bench.state, &known(&bench).unwrap(), bench.now).unwrap();
    assert_eq!((removed.services.len(), removed.networks.len()), (1, 1));
    bench.apply(&removed.transaction);
    assert!(bench.deploy(shop, false).unwrap_err().contains("is being removed"));
    assert!(bench.state.network(front).is_some(), "a task still has an address in it");
    bench.settle();
    assert!(known(&bench).is_none() && bench.state.network(front).is_none());
    assert_eq!(bench.state.services().count(), 0);
}

#[test]
fn a_network_that_is_no_longer_named_goes_once_no_service_can_go_back_to_it() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let shop = stack("shop").network("shop_front").service(service("shop_web"));
    let ids = bench.stack_ids(&shop);
    let front = ids.networks[&"shop_front".parse().unwrap()];
    bench.deploy_as(shop.attached(front), false, &ids).unwrap();
    bench.settle();
    let without = |image: &str| stack("shop").service(service("shop_web").image(image));
    let changed = bench.deploy(without("app:1"), true).unwrap();
    assert_eq!(changes(&changed), "shop_web Update, shop_front Remove");
    bench.settle();
    assert!(bench.state.network(front).is_some(), "the service may be rolled back to it");
    bench.deploy(without("app:2"), true).unwrap();
    bench.settle();
    assert!(bench.state.network(front).is_none());
}

#[test]
fn services_are_started_after_those_that_they_depend_on() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let shop = stack("shop")
        .service(service("shop_web"))
        .after("shop_db", StackCondition::Healthy)
        .after("shop_job", StackCondition::Completed)
        .service(service("shop_db"))
        .service(
            service("shop_job").restart(|restart| restart.condition = proto::model::RestartCondition::None),
        );
    bench.deploy(shop.clone(), false).unwrap();
    let [web, db, job] = ["shop_web", "shop_db", "shop_job"].map(|name| named(&bench, name).id);
    bench.pass();
    let waiting = bench.live(web)[0].clone();
    assert_eq!(
        waiting.status.message,
        "waiting for service shop_db to be healthy and for service shop_job to have done its work"
    );
    bench.settle();
    assert_eq!((bench.states(db), bench.states(web)), (vec![TaskState::Running], vec![TaskState::Pending]));
    assert_eq!(bench.live(web)[0].status.message, "waiting for service shop_job to have done its work");
    let done = bench.live(job)[0].clone();
    bench.report(&done, TaskState::Complete);
    bench.settle();
    assert_eq!(bench.states(web), [TaskState::Running]);
    // Only the first start waits.
    bench.update_image(db, BROKEN_IMAGE);
    bench.run_for(std::time::Duration::from_secs(5));
    bench.deploy(shop.service(service("shop_more")), false).unwrap();
    bench.fail_one(web);
    bench.run_for(std::time::Duration::from_secs(10));
    assert!(bench.states(web).contains(&TaskState::Running), "{:?}", bench.states(web));
}

#[test]
fn managers_that_do_not_know_stacks_are_given_none() {
    let mut bench = Bench::new();
    bench.edit_cluster(|cluster| cluster.feature_level = FEATURE_LEVEL - 1);
    let refused = bench.deploy(stack("shop").service(service("shop_web")), false).unwrap_err();
    assert_eq!(refused, "STACK: not every manager of the cluster knows stacks: upgrade all of them first");
}

#[test]
fn started_is_less_than_healthy() {
    let mut bench = Bench::new();
    bench.add(node(1));
    let shop = stack("shop")
        .service(service("shop_db"))
        .service(service("shop_soon"))
        .after("shop_db", StackCondition::Started)
        .service(service("shop_late"))
        .after("shop_db", StackCondition::Healthy);
    bench.deploy(shop, false).unwrap();
    bench.pass();
    let [db, soon, late] = ["shop_db", "shop_soon", "shop_late"].map(|name| named(&bench, name).id);
    let task = bench.live(db)[0].clone();
    let report = |bench: &mut Bench, state, health| {
        let status = TaskStatus { state, health, ..TaskStatus::new(bench.now) };
        bench.change(Change::ReportStatus { task: task.id, status });
        bench.pass();
        [soon, late].map(|service| bench.live(service)[0].node.is_some())
    };
    let health = |serial, ready| Some(HealthStatus { serial, ready, message: String::new() });
    assert_eq!(report(&mut bench, TaskState::Starting, None), [false, false]);
    assert_eq!(report(&mut bench, TaskState::Starting, health(1, false)), [true, false]);
    assert_eq!(report(&mut bench, TaskState::Running, health(2, false)), [true, false]);
    assert_eq!(report(&mut bench, TaskState::Running, health(3, true)), [true, true]);
}
