"""The measures of the networks. What is compared takes turns, so that a busy minute of the machine
falls on all of it."""

import calendar
import json
import os
import tempfile
import threading
import time

from cluster import wait
from network_bed import MESH_PORT, NETWORK, NODE_PORT, PROXY_PORT, PROXY_TASK_PORT, WEB_PORT
from network_tunnel import Tunnel

CONNECTIONS = 32
# How long a load may take beyond the time it was given.
GRACE = 20
NEW_TASK_PORT = 9000
REACHED_SECONDS = 30
# A try that was not answered at once is given up: packets to where nothing is yet may be lost.
TRY_SECONDS = 0.05
# Asks again 10 ms after each failure, lightly, so that what is measured has the processors; the first failure is told.
ASK = """
import socket, sys, time
address, port, patience, tried = sys.argv[1], int(sys.argv[2]), float(sys.argv[3]), sys.argv[4]
end = time.monotonic() + float(sys.argv[5])
while time.monotonic() < end:
    try:
        with socket.create_connection((address, port), timeout=patience) as asked:
            asked.sendall(b"GET / HTTP/1.0\\r\\n\\r\\n")
            if asked.recv(12).startswith(b"HTTP/1."):
                print(time.time_ns())
                break
    except OSError:
        pass
    open(tried, "w").close()
    time.sleep(0.01)
"""
# Where clients' ports begin and end, for two ways that lead one client to one task. A server that closes connections keeps
# them in mind for a minute: of the same client's port they must not come by another way, where clocks and addresses differ.
PORTS = ("10000 35999", "36000 61999")


def throughput(bed, samples, runs, seconds):
    """One TCP connection from node to node: bare, through the least that a VXLAN takes, and from container to container."""
    bare, inside = bed.address("w2"), bed.task_address("stream")
    with Tunnel(bed) as tunnel:
        for _ in range(runs):
            samples.add("bare", gigabits(bed.beside("bare-asker", *iperf3(bare, seconds), timeout=seconds + GRACE)))
            samples.add("tunnel", gigabits(tunnel.ask(*iperf3(tunnel.ANSWERER, seconds), timeout=seconds + GRACE)))
            samples.add("overlay", gigabits(bed.beside("asker", *iperf3(inside, seconds), timeout=seconds + GRACE)))


def iperf3(address, seconds):
    return ("iperf3", "-c", address, "-t", str(seconds), "-J")


def gigabits(report):
    return json.loads(report)["end"]["sum_received"]["bits_per_second"] / 1e9


def requests(bed, samples, runs, seconds):
    """Requests a second to the same task: itself, its service's address, ports, and behind haproxy."""
    ways = {
        "task": ("asker", bed.task_address("web"), WEB_PORT),
        "service": ("asker", bed.virtual_address("web"), WEB_PORT),
        "mesh": ("outside", bed.address("w1"), MESH_PORT),
        "haproxy": ("outside", bed.address("w1"), PROXY_PORT),
        "haproxy task": ("outside", bed.address("w1"), PROXY_TASK_PORT),
        "own node's port": ("outside", bed.address("w2"), NODE_PORT),
    }
    for kind, header in (("kept", ()), ("new", ("-H", "Connection: close"))):
        for _ in range(runs):
            for way, (asker, address, port) in ways.items():
                client_ports(bed, asker, PORTS[way in ("service", "own node's port")])
                said = bed.beside(asker, "wrk", "-t1", f"-c{CONNECTIONS}", f"-d{seconds}s", *header,
                                  f"http://{address}:{port}/", timeout=seconds + GRACE)
                samples.add(f"{kind}: {way}", requests_each_second(said))


def client_ports(bed, asker, ports):
    """Sets which ports the clients that begin there get."""
    bed.beside(asker, "sh", "-c", f"echo {ports} > /proc/sys/net/ipv4/ip_local_port_range", timeout=5)


def requests_each_second(said):
    """What wrk counted; requests that failed make the figure worthless."""
    found = {line.split(":")[0].strip(): line.split(":", 1)[1] for line in said.splitlines() if ":" in line}
    if "Socket errors" in found or "Non-2xx or 3xx responses" in found:
        raise RuntimeError(f"wrk had failures: {said.strip()}")
    return float(found["Requests/sec"])


def first(bed, samples, runs, _seconds):
    """From the moment a task begins its server until a first request is answered, on every node.

    The service has its address already; its task is new. The task's log has the moment.
    """
    nodes = {node: bed.address(node) for node in ("m1", "w1", "w2")}
    for run in range(runs):
        name, port = f"first{run}", NEW_TASK_PORT + run
        bed.cli("service", "create", "-d", "--name", name, "--replicas", "0", "--constraint", "node.hostname==w2",
                "--network", NETWORK, "--publish", f"{port}:{WEB_PORT}", "--stop-signal", "SIGKILL", "tools:1",
                "sh", "-c", "echo began; exec nginx -c /etc/nginx.conf")
        ways = {f"published port of {node}": ("outside", address, port) for node, address in nodes.items()}
        ways["service's address on another node"] = ("asker", bed.virtual_address(name), WEB_PORT)
        reached = {}
        with tempfile.TemporaryDirectory() as told:
            tried = {way: os.path.join(told, str(number)) for number, way in enumerate(ways)}
            threads = [threading.Thread(target=lambda way=way: reached.update(
                {way: first_answer(bed, *ways[way], tried[way])})) for way in ways]
            for thread in threads:
                thread.start()
            wait(lambda: all(map(os.path.exists, tried.values())), REACHED_SECONDS)
            bed.cli("service", "scale", "-d", f"{name}=1")
            for thread in threads:
                thread.join()
        wait(lambda: "began" in bed.cli("service", "logs", name), 30)
        stamp = bed.cli("service", "logs", "--timestamps", name).split()[0]
        began = nanoseconds(stamp)
        for way, at in reached.items():
            samples.add(f"first: {way}", (at - began) / 1e6)
        bed.cli("service", "rm", name)


def first_answer(bed, asker, address, port, tried):
    """When a request was answered first, in nanoseconds since 1970; makes the file `tried` when one was not."""
    said = bed.beside(asker, "python3", "-c", ASK, address, str(port), str(TRY_SECONDS), tried, str(REACHED_SECONDS),
                      timeout=REACHED_SECONDS + GRACE)
    return int(said)


def nanoseconds(stamp):
    """An RFC 3339 time with nanoseconds as nanoseconds since 1970."""
    date, fraction = stamp.rstrip("Z").split(".")
    seconds = calendar.timegm(time.strptime(date, "%Y-%m-%dT%H:%M:%S"))
    return seconds * 10**9 + int(fraction.ljust(9, "0"))


def names(bed, samples, runs, seconds):
    """Names asked of a container's name server: of a service, and of its tasks."""
    for _ in range(runs):
        for kind, name in (("service", "web"), ("tasks", "tasks.web")):
            with tempfile.NamedTemporaryFile("w", encoding="ascii") as file:
                file.write(f"{name} A\n")
                file.flush()
                said = bed.beside("asker", "dnsperf", "-s", "127.0.0.11", "-d", file.name, "-l", str(seconds), "-c", "4",
                                  "-q", "50", timeout=seconds + GRACE)
            samples.add(f"names: {kind}", queries_each_second(said))


def queries_each_second(said):
    """What dnsperf counted."""
    return next(float(line.split(":")[1]) for line in said.splitlines() if "Queries per second" in line)


MEASURES = {"throughput": throughput, "requests": requests, "first": first, "names": names}
