"""The measures, taken of our cluster.

Each begins just before the command (or the fault) and ends with the first poll, 50 ms apart, that
sees the condition: Swarm's script does the same with its own.
"""

import os
import statistics
import subprocess
import time

import faults
from cluster import CALL_TIMEOUT, CallFailed, wait

TASKS = (1, 10, 50, 100)
IDLE_SECONDS = 30
LISTED_SERVICES = 20
CALLS = 30


def deploy(cluster, samples, runs):
    """From nothing to so many tasks that run."""
    for count in TASKS:
        for run in range(runs):
            name = f"deploy{count}x{run}"
            began = time.monotonic()
            cluster.create(name, count)
            wait(lambda: len(cluster.running(name)) == count)
            samples.add(f"deploy {count}", time.monotonic() - began)
            cluster.remove(name)


def scale(cluster, samples, runs):
    """From 1 task to 50."""
    for run in range(runs):
        name = f"scale{run}"
        cluster.create(name, 1)
        wait(lambda: len(cluster.running(name)) == 1)
        began = time.monotonic()
        cluster.cli("service", "scale", "-d", f"{name}=50")
        wait(lambda: len(cluster.running(name)) == 50)
        samples.add("scale", time.monotonic() - began)
        cluster.remove(name)


def update(cluster, samples, runs):
    """A rolling update of 10 tasks, 2 at a time, that hardly watches the new ones."""
    for run in range(runs):
        name = f"update{run}"
        cluster.create(name, 10, "--update-parallelism", "2", "--update-delay", "0s", "--update-monitor", "1ms")
        wait(lambda: len(cluster.running(name)) == 10)
        old = {task for task, _ in cluster.running(name)}
        began = time.monotonic()
        cluster.cli("service", "update", "-d", "--force", name)
        wait(lambda: len([task for task, _ in cluster.running(name) if task not in old]) == 10)
        samples.add("update: new tasks run", time.monotonic() - began)
        state = ("service", "inspect", "--format", "{{.UpdateStatus.State}}", name)
        wait(lambda: cluster.cli(*state).strip() == "completed")
        samples.add("update: completed", time.monotonic() - began)
        cluster.remove(name)


def failover(cluster, samples, runs):
    """The leader's daemon is killed; another manager answers with a new leader."""
    for run in range(runs):
        dead = cluster.leader()
        others = [node for node in ("m1", "m2", "m3") if node != dead]
        name = f"failover{run}"

        def accepted():
            cluster.create(name, 1, via=others[0])
            return True

        began = time.monotonic()
        faults.kill_daemon(cluster, dead)
        wait(lambda: any(has_new_leader(cluster, other, dead) for other in others), 90, 0.02)
        samples.add("failover: calls answered", time.monotonic() - began)
        wait(accepted, 90, 0.02)
        wait(lambda: len(cluster.running(name, via=others[0])) == 1, 90)
        samples.add("failover: a new service runs", time.monotonic() - began)
        cluster.up()
        wait(lambda: cluster.all_ready(5), 60)
        cluster.remove(name)


def has_new_leader(cluster, asked, dead):
    """Whether a manager answers and knows of another leader than the dead one."""
    try:
        return any(manager == "Leader" and host != dead for host, _, manager, _ in cluster.nodes(via=asked))
    except (CallFailed, subprocess.TimeoutExpired):
        return False


def nodefail(cluster, samples, runs):
    """A worker of the two is lost, in two ways; its share of 10 tasks runs elsewhere."""
    ways = (("killed", faults.kill_node, lambda _cluster, _node: None), ("cut off", faults.cut, faults.heal))
    for word, fault, repair in ways:
        for run in range(runs):
            name = f"nodefail{word[:3]}{run}"
            cluster.create(name, 10)
            wait(lambda: len(cluster.running(name)) == 10)
            began = time.monotonic()
            fault(cluster, "w2")
            wait(lambda: len([node for _, node in cluster.running(name) if node != "w2"]) == 10, 120)
            samples.add(f"worker {word}: replaced", time.monotonic() - began)
            repair(cluster, "w2")
            cluster.up()
            wait(lambda: cluster.all_ready(5), 60)
            cluster.remove(name)


def join(cluster, samples, runs):
    """A worker whose daemon runs joins, until it is ready."""
    token = cluster.cli("swarm", "join-token", "-q", "worker").strip()
    manager, advertised = (cluster.cli("node", "inspect", "--format", "{{.Status.Addr}}", node).strip()
                           for node in ("m1", "w2"))
    for _ in range(runs):
        cluster.cli("swarm", "leave", via="w2")
        for host, _, _, node in cluster.nodes():
            if host == "w2":
                cluster.cli("node", "rm", "--force", node)
        began = time.monotonic()
        cluster.cli("swarm", "join", "--token", token, "--advertise-addr", advertised, f"{manager}:2377", via="w2")
        wait(lambda: any(host == "w2" and state == "Ready" for host, state, _, _ in cluster.nodes()), 60)
        samples.add("join", time.monotonic() - began)
    # The new ids are noted, for whatever looks for the node's processes.
    cluster.up()


def listing(cluster, samples, _runs):
    """`service ls` of 20 services, the whole command."""
    names = [f"list{number}" for number in range(LISTED_SERVICES)]
    for name in names:
        cluster.create(name, 1)
    for name in names:
        wait(lambda name=name: len(cluster.running(name)) == 1)
    leader = cluster.leader()
    follower = next(node for node in ("m1", "m2", "m3") if node != leader)
    for word, node in (("leader", leader), ("follower", follower)):
        taken = []
        for _ in range(CALLS):
            began = time.monotonic()
            cluster.cli("service", "ls", via=node, timeout=CALL_TIMEOUT)
            taken.append((time.monotonic() - began) * 1000)
        samples.add(f"service ls of the {word}", statistics.median(taken))
    cluster.cli("service", "rm", *names[1:])
    cluster.remove(names[0])


def idle(cluster, samples, _runs):
    """What daemons without tasks hold and use, over half a minute."""
    leader = cluster.leader()
    follower = next(node for node in ("m1", "m2", "m3") if node != leader)
    roles = {"leader": leader, "follower": follower, "worker": "w1"}
    before = {role: cpu_seconds(cluster.daemon(node)) for role, node in roles.items()}
    began = time.monotonic()
    time.sleep(IDLE_SECONDS)
    seconds = time.monotonic() - began
    for role, node in roles.items():
        pid = cluster.daemon(node)
        resident, proportional = memory_mib(pid)
        samples.add(f"idle {role} RSS", resident)
        samples.add(f"idle {role} PSS", proportional)
        samples.add(f"idle {role} CPU", (cpu_seconds(pid) - before[role]) / seconds * 100)


def cpu_seconds(pid):
    """User and system time that a process has used."""
    with open(f"/proc/{pid}/stat", encoding="utf-8") as file:
        fields = file.read().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def memory_mib(pid):
    """Resident memory, and the share of it that counts pages of several processes in parts."""
    with open(f"/proc/{pid}/smaps_rollup", encoding="utf-8") as file:
        sizes = dict(line.split()[:2] for line in file if line.startswith(("Rss:", "Pss:")))
    return int(sizes["Rss:"]) / 1024, int(sizes["Pss:"]) / 1024


# In the order in which they are taken: memory first, while nothing has run yet.
MEASURES = {"idle": idle, "deploy": deploy, "scale": scale, "update": update, "ls": listing, "failover": failover,
            "nodefail": nodefail, "join": join}
