"""What is done to the nodes of a development cluster: the same as Swarm's script does to its own."""

import os
import signal
import subprocess


def kill_daemon(cluster, node):
    """Ends the daemon alone, as a crash would; its containers run on."""
    os.kill(cluster.daemon(node), signal.SIGKILL)


def kill_node(cluster, node):
    """Ends every process of the node at once: the daemon, the shims and the containers."""
    namespaces = namespaces_of(cluster, node)
    # Again, until nothing that was just being started is left.
    while found := [pid for pid in processes() if namespace_of(pid) in namespaces]:
        for pid in found:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass


def cut(cluster, node):
    """Pulls the node's cable: no connection is closed, nothing answers any more."""
    link(cluster, node, "down")


def heal(cluster, node):
    """Puts the cable back."""
    link(cluster, node, "up")


def link(cluster, node, state):
    fabric = os.path.join(cluster.run, "netns/fabric")
    subprocess.run(["nsenter", f"--net={fabric}", "ip", "link", "set", node, state], check=True)


def namespaces_of(cluster, node):
    """The network namespaces of a node and of its containers, by inode."""
    own = os.path.join(cluster.run, "netns", node)
    below = os.path.join(cluster.run, node) + "/"
    found = {os.stat(own).st_ino}
    with open("/proc/self/mountinfo", encoding="utf-8") as mounts:
        for mount in mounts:
            fields = mount.split()
            # proc(5): the root of such a mount is net:[INODE].
            root, point = fields[3], fields[4]
            if root.startswith("net:[") and point.startswith(below):
                found.add(int(root[len("net:["):-1]))
    found.discard(namespace_of("self"))
    return found


def namespace_of(pid):
    try:
        return os.stat(f"/proc/{pid}/ns/net").st_ino
    except OSError:
        return None


def processes():
    return [int(entry) for entry in os.listdir("/proc") if entry.isdigit()]
