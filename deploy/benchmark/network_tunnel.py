"""The least that a VXLAN takes, to tell its cost from ours: by hand, a bridge, a tunnel and a pair of
links on each of two nodes, with no rule and no router in between."""

import os
import subprocess

from cluster import wait
from network_bed import joining

# Not those of the cluster: 4789 is its port.
VNI, PORT = "99", "4790"
MTU = "1450"
ANSWER_PORT = "5201"


class Tunnel:
    """Two namespaces, one joined to w1 and one to w2, while the context lasts."""

    ASKER, ANSWERER = "10.99.0.1", "10.99.0.2"
    ENDS = (("w1", "bare-asker", ASKER), ("w2", "bare-stream", ANSWERER))

    def __init__(self, bed):
        self.bed = bed
        self.begun = []

    def __enter__(self):
        try:
            self.namespaces = [self.begin("unshare", "--net", "sleep", "1000000") for _ in self.ENDS]
            for number, namespace in enumerate(self.namespaces):
                self.join(number, namespace)
            group = self.bed.process("stream")
            self.begin("nsenter", f"--net=/proc/{self.namespaces[1]}/ns/net", "iperf3", "-s", group=group)
            wait(lambda: f":{ANSWER_PORT} " in self.bed.within(self.namespaces[1], group, "ss", "-tln", timeout=5), 5)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_):
        for process in self.begun:
            process.kill()
            process.wait()
        for _, node, _ in self.ENDS:
            for link in ("hand-vx", "hand-br"):
                subprocess.run(["nsenter", f"--net=/proc/{self.bed.process(node)}/ns/net", "ip", "link", "del", link],
                               capture_output=True, check=False)

    def begin(self, *command, group=None):
        """Starts a process that lasts as long as the tunnel, and returns its id."""
        quiet = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
        join = joining(group) if group else None
        self.begun.append(subprocess.Popen(command, preexec_fn=join, **quiet))
        return self.begun[-1].pid

    def join(self, number, namespace):
        """Joins one namespace to its node by a link, a bridge and a tunnel to the other node."""
        (_, node, own), (other, _, _) = self.ENDS[number], self.ENDS[1 - number]
        here, there = self.bed.address(self.ENDS[number][0]), self.bed.address(other)
        wait(lambda: different(namespace), 5)
        for words in (
            "sysctl -qew net.bridge.bridge-nf-call-iptables=0",
            f"ip link add hand-br mtu {MTU} type bridge",
            f"ip link add hand-vx mtu {MTU} type vxlan id {VNI} local {here} remote {there} dstport {PORT} nolearning",
            "ip link set hand-vx master hand-br up",
            f"ip link add hand-v mtu {MTU} type veth peer name eth0 mtu {MTU} netns {namespace}",
            "ip link set hand-v master hand-br up",
            "ip link set hand-br up",
        ):
            self.bed.beside(node, *words.split(), timeout=5)
        for words in (f"ip address add {own}/24 dev eth0", "ip link set eth0 up"):
            self.bed.within(namespace, self.bed.process(node), *words.split(), timeout=5)

    def ask(self, *command, timeout):
        """Runs a command in the asking namespace, in the groups of the task that asks over the overlay."""
        return self.bed.within(self.namespaces[0], self.bed.process("asker"), *command, timeout=timeout)


def different(process):
    """Whether a process has left this program's network namespace."""
    return network(process) != network("self")


def network(process):
    """The network namespace of a process."""
    return os.readlink(f"/proc/{process}/ns/net")
