"""The peer: a real Docker Swarm, started and measured by scripts that are not part of this tree.

Expected in the folder that SHOAL_PEERS names: swarm-cluster.sh with `up MANAGERS WORKERS` and `down`,
and bench_swarm.py with a function for each measure. Their samples are read from the JSON lines they
write.
"""

import contextlib
import glob
import importlib.util
import json
import os
import subprocess
import sys

NEEDED = ("swarm-cluster.sh", "bench_swarm.py")
# The scripts put a registry and real daemons into namespaces of their own.
PROGRAMS = ("dockerd", "containerd", "docker", "docker-registry", "tini", "iptables", "ip", "nsenter", "iperf3",
            "dnsperf", "wrk", "nginx")
NAMESPACES = "/run/netns"
PACKAGES = "docker.io containerd iproute2 iptables tini docker-registry iperf3 dnsperf wrk nginx-light"


class PeerMissing(Exception):
    """The peer can't be measured here; says what to do about it."""


class Swarm:
    """A Swarm of 3 managers and 2 workers, its files in the folder given."""

    def __init__(self, folder):
        self.scripts = os.environ.get("SHOAL_PEERS", "")
        self.samples_file = os.path.join(folder, "samples.jsonl")
        # The peer's programs are looked for where root has them, whoever's PATH this is.
        self.environment = dict(os.environ, PEERS_ROOT=os.path.join(folder, "nodes"),
                                PATH=os.environ.get("PATH", "") + ":/usr/sbin:/sbin")
        self.check()

    def check(self):
        """Refuses at once, rather than after ten minutes of our own measures."""
        missing = [name for name in NEEDED if not os.path.isfile(os.path.join(self.scripts, name))]
        if not self.scripts or missing:
            raise PeerMissing(f"set SHOAL_PEERS to the folder with {' and '.join(NEEDED)}")
        # The scripts use fixed names, and taking one cluster down would take down any other.
        if glob.glob(os.path.join(NAMESPACES, "sw-*")):
            raise PeerMissing("a Swarm of these scripts is up already: take it down with swarm-cluster.sh down if nobody uses it")
        search = self.environment["PATH"].split(":")
        missing = [name for name in PROGRAMS if not any(os.access(os.path.join(p, name), os.X_OK) for p in search)]
        if missing:
            raise PeerMissing(f"Swarm's scripts need {', '.join(missing)}: apt-get install --no-install-recommends {PACKAGES}")

    def begin(self):
        """Starts the Swarm anew and loads the script that measures it."""
        self.down()
        self.script("up", "3", "2")
        os.environ.update(PEERS_ROOT=self.environment["PEERS_ROOT"], PATH=self.environment["PATH"])
        # Parallelism 2 only, and a monitor of 1 ns only.
        os.environ.update(PARS="2", FASTUPD="1")
        place = importlib.util.spec_from_file_location("bench_swarm", os.path.join(self.scripts, "bench_swarm.py"))
        self.bench = importlib.util.module_from_spec(place)
        place.loader.exec_module(self.bench)
        self.bench.OUT = self.samples_file

    def down(self):
        self.script("down")

    def script(self, *words):
        subprocess.run([os.path.join(self.scripts, "swarm-cluster.sh"), *words], env=self.environment, check=True,
                       stdout=sys.stderr, stdin=subprocess.DEVNULL, timeout=600)

    def measure(self, measure, samples, runs):
        """Takes one measure; `samples` gets what the script wrote, under the script's names."""
        known = self.count()
        bench = self.bench
        takes = {"idle": bench.idle, "deploy": lambda: bench.deploy(runs=runs), "scale": lambda: bench.scale(runs),
                 "update": lambda: bench.update(runs), "ls": bench.ls, "failover": lambda: bench.failover(runs),
                 "nodefail": lambda: bench.nodefail(runs), "join": lambda: bench.join(runs)}
        try:
            # Standard output is for the table.
            with contextlib.redirect_stdout(sys.stderr):
                takes[measure]()
        except FileNotFoundError as error:
            # It also tries a newer client, which Debian does not have.
            print(f"  swarm: {measure}: {error}", file=sys.stderr)
        finally:
            self.remove_services()
            self.hand_over(known, samples)

    def remove_services(self):
        for service in self.bench.api(1, "GET", "/services")[1] or []:
            self.bench.remove(1, service["ID"])

    def count(self):
        if not os.path.exists(self.samples_file):
            return 0
        with open(self.samples_file, encoding="utf-8") as file:
            return sum(1 for _ in file)

    def hand_over(self, known, samples):
        if not os.path.exists(self.samples_file):
            return
        with open(self.samples_file, encoding="utf-8") as file:
            for line in list(file)[known:]:
                sample = json.loads(line)
                samples.add(sample["name"], sample["value"])
                if "pss" in sample:
                    samples.add(sample["name"].replace(" RSS ", " PSS "), sample["pss"])
