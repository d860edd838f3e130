"""The cluster that networks are measured on, and looking out of its containers.

Each load is a task's or is put beside one, into its namespace and its group of processes: all that
compete for the processors are treated alike, on the bare path as in containers.
"""

import glob
import ipaddress
import os
import subprocess

from cluster import Cluster, wait

NETWORK = "front"
SUBNET = ipaddress.ip_network("10.171.0.0/16")
WEB_PORT, MESH_PORT, NODE_PORT = 8080, 8080, 8081
PROXY_PORT, PROXY_TASK_PORT = 8090, 8091
START_SECONDS = 60


class Bed(Cluster):
    """Nodes m1, w1, w2 and w3: w1 asks, w2 answers, w3 is a machine outside of the networks."""

    def begin(self):
        """Begins anew: a cluster with its network and the tasks that everything is measured with."""
        self.down()
        self.up(managers=1, workers=3)
        self.cli("image", "load", "-q", "-i", self.image, timeout=120)
        self.cli("network", "create", "--subnet", str(SUBNET), NETWORK)
        self.serve("web", "w2", "--network", NETWORK, "--publish", f"{MESH_PORT}:{WEB_PORT}", "--publish",
                   f"mode=host,published={NODE_PORT},target={WEB_PORT}", command=("nginx", "-c", "/etc/nginx.conf"))
        self.serve("stream", "w2", "--network", NETWORK, command=("iperf3", "-s"))
        self.serve("bare-stream", "w2", "--network", "host", command=("iperf3", "-s"))
        self.serve("asker", "w1", "--network", NETWORK, command=("sleep", "1000000"))
        self.serve("bare-asker", "w1", "--network", "host", command=("sleep", "1000000"))
        self.serve("outside", "w3", "--network", "host", command=("sleep", "1000000"))
        backend = f"BACKEND={self.address('w2')}:{NODE_PORT}"
        proxy = ("haproxy", "-db", "-f", "/etc/haproxy.cfg")
        self.serve("proxy", "w1", "--network", "host", "--env", backend, command=proxy)
        self.serve("proxy-task", "w1", "--network", NETWORK, "--env", f"BACKEND=web:{WEB_PORT}", "--publish",
                   f"mode=host,published={PROXY_TASK_PORT},target={PROXY_PORT}", command=proxy)

    def serve(self, name, node, *options, command):
        """Creates a service of one task on a node and waits until it runs."""
        self.cli("service", "create", "-d", "--name", name, "--constraint", f"node.hostname=={node}",
                 "--stop-signal", "SIGKILL", *options, "tools:1", *command)
        wait(lambda: len(self.running(name)) == 1, START_SECONDS)

    def address(self, node):
        """The address that the other nodes reach a node at."""
        return self.cli("node", "inspect", "--format", "{{.Status.Addr}}", node).strip()

    def process(self, service):
        """A process of the service's only task."""
        [(task, _)] = self.running(service)
        for path in glob.glob("/proc/[0-9]*/cgroup"):
            try:
                with open(path, encoding="ascii") as file:
                    if task in file.read():
                        return int(path.split("/")[2])
            except OSError:
                continue
        raise RuntimeError(f"task {task} of {service} has no process")

    def beside(self, service, *command, timeout):
        """Runs a command of this machine where the service's only task is, and returns what it prints."""
        pid = self.process(service)
        return self.within(pid, pid, *command, timeout=timeout)

    @staticmethod
    def within(network, group, *command, timeout):
        """Runs a command in the network namespace of one process and the groups of another; returns what it prints."""
        done = subprocess.run(["nsenter", f"--net=/proc/{network}/ns/net", *command], capture_output=True, text=True,
                              timeout=timeout, stdin=subprocess.DEVNULL, preexec_fn=joining(group), check=False)
        if done.returncode:
            raise RuntimeError(f"{' '.join(command)}: {done.stderr.strip() or done.stdout.strip()}")
        return done.stdout

    def task_address(self, service):
        """The address of the service's only task in the network."""
        lines = self.beside(service, "ip", "-4", "-o", "address", timeout=5).splitlines()
        return in_network(line.split()[3] for line in lines)

    def virtual_address(self, service):
        """The service's address in the network."""
        form = "{{range .Endpoint.VirtualIPs}}{{.Addr}} {{end}}"
        return in_network(self.cli("service", "inspect", "--format", form, service).split())


def in_network(addresses):
    """The address in the network among some that are written with the length of their prefix."""
    bare = (address.split("/")[0] for address in addresses)
    return next(address for address in bare if ipaddress.ip_address(address) in SUBNET)


def joining(pid):
    """What a new process does to be in the same groups as another."""

    def join():
        for group in groups(pid):
            with open(os.path.join(group, "cgroup.procs"), "w", encoding="ascii") as file:
                file.write(str(os.getpid()))

    return join


def groups(pid):
    """The folders of the process groups that share out the processors, for one process."""
    with open(f"/proc/{pid}/cgroup", encoding="ascii") as file:
        for line in file:
            _, controllers, path = line.rstrip("\n").split(":", 2)
            if "cpu" in controllers.split(","):
                yield f"/sys/fs/cgroup/cpu{path}"
            elif not controllers and os.path.exists(f"/sys/fs/cgroup{path}/cpu.weight"):
                yield f"/sys/fs/cgroup{path}"
