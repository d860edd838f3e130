"""The table: our figures beside Swarm's."""

import datetime
import os
import platform
import subprocess
from dataclasses import dataclass

# Measured once on a machine of 2 cores, an otherwise idle one; other runs differ.
REFERENCE_NOTE = "reference, other run"


@dataclass(frozen=True)
class Row:
    """One line: our samples, Swarm's (several are added up), and Swarm's figure of an earlier run."""

    title: str
    unit: str
    ours: str
    swarm: tuple
    reference: float | None


def both(role, what):
    """The names of the samples for what Swarm's two processes take together."""
    return tuple(f"idle {role} {process} {what}" for process in ("dockerd", "containerd"))


ROLLING = "rolling update 10, parallelism 2, monitor 1ns"
ROWS = (
    Row("deploy 1 task", "s", "deploy 1", ("deploy 1 (API, poll)",), 0.60),
    Row("deploy 10 tasks", "s", "deploy 10", ("deploy 10 (API, poll)",), 1.61),
    Row("deploy 50 tasks", "s", "deploy 50", ("deploy 50 (API, poll)",), 6.5),
    Row("deploy 100 tasks", "s", "deploy 100", ("deploy 100 (API, poll)",), 14.2),
    Row("scale 1 -> 50", "s", "scale", ("scale 1->50",), 7.0),
    Row("rolling update of 10, 2 at a time: new tasks run", "s", "update: new tasks run",
        (f"{ROLLING}: all new running",), 9.2),
    Row("the same: completed", "s", "update: completed", (f"{ROLLING}: UpdateStatus completed",), None),
    Row("leader killed -> calls answered", "s", "failover: calls answered",
        ("leader kill -9: node ls works on another manager",), 11.9),
    Row("the same -> a new service runs", "s", "failover: a new service runs",
        ("leader kill -9: that service running",), None),
    Row("worker killed with all it runs -> all replaced", "s", "worker killed: replaced",
        ("worker kill: 10/10 running elsewhere",), 19.5),
    Row("worker cut off -> all replaced", "s", "worker cut off: replaced",
        ("worker cut: 10/10 running elsewhere",), None),
    Row("worker joins", "s", "join", ("join Worker: node ready",), 0.10),
    Row("service ls, 20 services, of the leader", "ms", "service ls of the leader",
        ("service ls CLI /usr/bin/docker, 20 services, ms",), 17),
    Row("service ls, 20 services, of a follower", "ms", "service ls of the follower", (), None),
    Row("idle leader, resident", "MiB", "idle leader RSS", both("leader", "RSS MiB"), 93 + 38),
    Row("idle leader, proportional", "MiB", "idle leader PSS", both("leader", "PSS MiB"), None),
    Row("idle follower, resident", "MiB", "idle follower RSS", both("follower", "RSS MiB"), None),
    Row("idle worker, resident", "MiB", "idle worker RSS", both("worker", "RSS MiB"), None),
    Row("idle leader, processor", "%", "idle leader CPU", both("leader", "CPU %"), None),
    Row("idle worker, processor", "%", "idle worker CPU", both("worker", "CPU %"), None),
)


def table(ours, swarm, loads, repository):
    """The whole report in Markdown; `swarm` is None if Swarm was not measured."""
    heading = "Docker Swarm, same run" if swarm else f"Docker Swarm ({REFERENCE_NOTE})"
    lines = [f"# Benchmark of {datetime.datetime.now():%Y-%m-%d %H:%M}", "", *facts(loads, repository), "",
             f"| medians | unit | Shoal | {heading} | Swarm / Shoal |", "| --- | --- | ---: | ---: | ---: |"]
    for row in ROWS:
        own = ours.median(row.ours)
        peer = summed(swarm, row.swarm) if swarm else row.reference
        if own is None and (peer is None or not swarm):
            continue
        ratio = f"{peer / own:.1f}" if own and peer is not None else ""
        lines.append(f"| {row.title} | {row.unit} | {with_spread(ours, row.ours, own)} | {figure(peer)} | {ratio} |")
    failures = ours.failures + (swarm.failures if swarm else [])
    lines += ["", "In brackets: smallest to largest, number of samples. Shoal is asked by starting its command line, "
              "some milliseconds a call, Swarm over its socket; both every 50 ms."]
    lines += ["", "Not measured to the end:", "", *(f"- {failure}" for failure in failures)] if failures else []
    return "\n".join(lines) + "\n"


def facts(loads, repository):
    """What the figures depend on besides the program."""
    with open("/proc/cpuinfo", encoding="utf-8") as file:
        model = next((line.split(":", 1)[1].strip() for line in file if line.startswith("model name")), platform.machine())
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30
    load = ", ".join(f"{when} {value:.2f}" for when, value in loads)
    return [f"- machine: {os.cpu_count()} x {model}, {memory:.0f} GiB, Linux {platform.release()}",
            f"- commit: {commit(repository)}", f"- load average (1 minute): {load}"]


def commit(repository):
    """The commit that was built, marked if something was changed since."""
    done = subprocess.run(["git", "-C", repository, "describe", "--always", "--dirty", "--abbrev=12"],
                          capture_output=True, text=True, check=False)
    return done.stdout.strip() or "none (not a git clone)"


def summed(samples, names):
    """The sum of the medians; None if one is missing or there is none."""
    medians = [samples.median(name) for name in names]
    return sum(medians) if medians and None not in medians else None


def with_spread(samples, name, median):
    if median is None:
        return ""
    low, high, count = samples.spread(name)
    return figure(median) + (f" [{figure(low)}..{figure(high)}, {count}]" if count > 1 else "")


def figure(value):
    """Three digits that say something."""
    if value is None:
        return ""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"
