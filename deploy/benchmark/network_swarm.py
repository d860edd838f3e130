"""The peer: a real Docker Swarm's overlay and name server, measured in its own containers.

Its virtual addresses and published ports need a kernel with IPVS; they are not measured.
"""

import os
import subprocess

from network_measures import GRACE, gigabits, iperf3, queries_each_second
from swarm import Swarm

IMAGE = "10.77.0.1:5000/tools:1"
NETWORK = "bench-front"
# Its nodes 4 and 5 are workers.
ASKER, ANSWERER = 4, 5
START_SECONDS = 60


class SwarmNetworks(Swarm):
    """A Swarm of 3 managers and 2 workers with an overlay network."""

    def begin(self):
        """Starts the Swarm anew, with a network."""
        super().begin()
        self.docker(1, "network", "create", "-d", "overlay", "--attachable", NETWORK)

    def docker(self, node, *words, timeout=START_SECONDS):
        """Runs a command of the docker client against one node and returns what it prints."""
        done = subprocess.run([os.path.join(self.scripts, "swarm-cluster.sh"), "d", str(node), *words],
                              env=self.environment, capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL, check=False)
        if done.returncode:
            raise RuntimeError(f"docker {' '.join(words)} on node {node}: {done.stderr.strip()}")
        return done.stdout.strip()

    def ask(self, network, *command, seconds):
        """Runs a command in a container of its own."""
        return self.docker(ASKER, "run", "--rm", "--network", network, IMAGE, *command, timeout=seconds + GRACE)

    def throughput(self, samples, runs, seconds):
        """The same as ours: bare is from node to node, in containers that use the nodes' own network."""
        for name, network in (("stream", NETWORK), ("bare-stream", "host")):
            self.docker(ANSWERER, "run", "-d", "--name", name, "--network", network, IMAGE, "iperf3", "-s")
        form = f'{{{{(index .NetworkSettings.Networks "{NETWORK}").IPAddress}}}}'
        inside = self.docker(ANSWERER, "inspect", "stream", "--format", form)
        bare = self.docker(1, "node", "inspect", f"n{ANSWERER}", "--format", "{{.Status.Addr}}")
        for _ in range(runs):
            samples.add("bare", gigabits(self.ask("host", *iperf3(bare, seconds), seconds=seconds)))
            samples.add("overlay", gigabits(self.ask(NETWORK, *iperf3(inside, seconds), seconds=seconds)))

    def names(self, samples, runs, seconds):
        """The same as ours, of services with and without a virtual address."""
        self.docker(1, "service", "create", "-q", "--detach=false", "--name", "web", "--network", NETWORK,
                    "--stop-signal", "SIGKILL", IMAGE, "sleep", "1000000")
        for _ in range(runs):
            for kind, name in (("service", "web"), ("tasks", "tasks.web")):
                ask = f"echo '{name} A' >/tmp/q; dnsperf -s 127.0.0.11 -d /tmp/q -l {seconds} -c 4 -q 50"
                samples.add(f"names: {kind}", queries_each_second(self.ask(NETWORK, "sh", "-c", ask, seconds=seconds)))

    def take(self, name, samples, runs, seconds):
        """Takes a measure that there is for Swarm."""
        {"throughput": self.throughput, "names": self.names}[name](samples, runs, seconds)


MEASURES = ("throughput", "names")
