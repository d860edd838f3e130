"""A development cluster of ours, used as a person would: through the command line alone.

Starting the program costs some milliseconds a call. That is part of every figure here, while Swarm
is asked over its socket by a process that runs already.
"""

import os
import subprocess
import time

RUN_FOLDER = "/run/shoal"
DATA_FOLDER = "/var/lib/shoal"
# A number that no other process on the machine is likely to sleep for: it tells ours apart.
SLEEP = ("/bin/sleep", "1000099")
# How long a call may take before it is tried again: as long as Swarm's script waits for an answer.
CALL_TIMEOUT = 2.0


class CallFailed(Exception):
    """A command exited with an error."""


class NameTaken(Exception):
    """There is a cluster of this name that was not started here."""


def wait(condition, limit=180.0, poll=0.05):
    """Asks again and again until the condition holds; a call that fails is a no."""
    end = time.monotonic() + limit
    while time.monotonic() < end:
        try:
            if condition():
                return
        except (CallFailed, subprocess.TimeoutExpired):
            pass
        time.sleep(poll)
    raise TimeoutError(f"what was waited for did not come in {limit:.0f} s")


class Cluster:
    """A cluster named `bench`: nodes m1 and up, w1 and up."""

    def __init__(self, program, image, name="bench"):
        self.program = program
        self.image = image
        self.name = name
        self.run = os.path.join(RUN_FOLDER, name)
        # It may be somebody else's, and every measure begins by removing what has this name.
        if any(os.path.exists(os.path.join(folder, name)) for folder in (RUN_FOLDER, DATA_FOLDER)):
            raise NameTaken(f"there is a cluster named {name} already: remove it with 'shoal down --name {name}' if nobody uses it")

    def up(self, managers=3, workers=2):
        """Starts what is missing, and waits until all nodes are ready."""
        numbers = ["--managers", str(managers), "--workers", str(workers)]
        self.command("up", "--name", self.name, *numbers, timeout=180)

    def begin(self):
        """Begins anew: a new cluster that has the image and keeps as little history as Swarm's."""
        self.down()
        self.up()
        self.cli("image", "load", "-q", "-i", self.image, timeout=120)
        self.cli("swarm", "update", "--task-history-limit", "1")

    def down(self):
        """Removes the cluster."""
        self.command("down", "--name", self.name, timeout=180)

    def command(self, *words, timeout):
        """Runs the program and returns what it prints."""
        done = subprocess.run([self.program, *words], capture_output=True, text=True, timeout=timeout,
                              stdin=subprocess.DEVNULL)
        if done.returncode:
            raise CallFailed(f"shoal {' '.join(words)}: {done.stderr.strip()}")
        return done.stdout

    def cli(self, *words, via="m1", timeout=30.0):
        """Runs a command against one node's daemon."""
        return self.command("-H", f"unix://{self.run}/{via}/shoal.sock", *words, timeout=timeout)

    def rows(self, *words, via="m1", timeout=30.0):
        """Runs a command whose --format separates fields by tabs."""
        return [line.split("\t") for line in self.cli(*words, via=via, timeout=timeout).splitlines()]

    def nodes(self, via="m1", timeout=CALL_TIMEOUT):
        """Host name, state, place among the managers and id of each node."""
        form = r"{{.Hostname}}\t{{.Status}}\t{{.ManagerStatus}}\t{{.ID}}"
        return self.rows("node", "ls", "--format", form, via=via, timeout=timeout)

    def leader(self, via="m1"):
        """The host name of the manager that leads."""
        return next(host for host, _, manager, _ in self.nodes(via) if manager == "Leader")

    def all_ready(self, count, via="m1"):
        """Whether so many nodes are ready."""
        return sum(state == "Ready" for _, state, _, _ in self.nodes(via)) == count

    def daemon(self, node):
        """The number of a daemon's process."""
        with open(os.path.join(self.run, node, "daemon.pid"), encoding="ascii") as file:
            return int(file.read().split()[0])

    def create(self, name, replicas, *options, via="m1"):
        """Creates a service of sleeping tasks and returns at once."""
        # A sleep that is process 1 ignores SIGTERM: every stop would take the whole grace period.
        self.cli("service", "create", "-d", "--name", name, "--replicas", str(replicas), "--stop-signal", "SIGKILL",
                 *options, "bb:1", *SLEEP, via=via)

    def running(self, name, via="m1"):
        """Id and node of each task that is to run and does."""
        form = r"{{.ID}}\t{{.Node}}\t{{.CurrentState}}"
        tasks = self.rows("service", "ps", "--no-trunc", "--filter", "desired-state=running", "--format", form, name,
                          via=via, timeout=5.0)
        return [(task, node) for task, node, state in tasks if state.startswith("Running")]

    def remove(self, name, via="m1"):
        """Removes a service and waits until its containers are gone, so that measures don't overlap."""
        self.cli("service", "rm", name, via=via)
        wait(lambda: not sleeping(), 120, 0.2)


def sleeping():
    """The processes that tasks of this benchmark run."""
    found, wanted = [], "".join(f"{word}\0" for word in SLEEP).encode()
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            with open(f"/proc/{entry}/cmdline", "rb") as file:
                if file.read() == wanted:
                    found.append(int(entry))
        except OSError:
            continue
    return found
