"""The table of the networks: what was measured, beside what it is compared to and our goal."""

import datetime
from dataclasses import dataclass

from report import facts, figure, with_spread


@dataclass(frozen=True)
class Row:
    """One line: a sample, what it is divided by (in these samples or in Swarm's), and the goal of that ratio."""

    title: str
    unit: str
    name: str
    beside: str | None = None
    of_swarm: bool = False
    goal: str = ""


REQUESTS, QUERIES = "requests/s", "queries/s"


def ways(kind, words):
    """The lines for requests over one kind of connections."""
    return (
        Row(f"{words}: to the task", REQUESTS, f"{kind}: task"),
        Row(f"{words}: to its service's address, beside the task", REQUESTS, f"{kind}: service", f"{kind}: task",
            goal=">= 0.95"),
        Row(f"{words}: to another node's port, beside the service's address", REQUESTS, f"{kind}: mesh",
            f"{kind}: service", goal=">= 0.7"),
        Row(f"{words}: to another node's port, beside haproxy as a task there", REQUESTS, f"{kind}: mesh",
            f"{kind}: haproxy task", goal=">= 1.3"),
        Row(f"{words}: to another node's port, beside haproxy outside of networks there", REQUESTS, f"{kind}: mesh",
            f"{kind}: haproxy"),
        Row(f"{words}: to the own node's port (mode=host)", REQUESTS, f"{kind}: own node's port"),
    )


ROWS = (
    Row("node to node, one TCP connection", "Gbit/s", "bare"),
    Row("container to container over the overlay, beside node to node", "Gbit/s", "overlay", "bare", goal=">= 0.95"),
    Row("the same, beside the least that a VXLAN takes: a bridge on each node, no rules", "Gbit/s", "overlay", "tunnel"),
    *ways("kept", "connections kept"),
    *ways("new", "a connection each"),
    Row("a service's name, beside Docker's name server", QUERIES, "names: service", "names: service", True, ">= 1.5"),
    Row("its tasks' names, beside Docker's name server", QUERIES, "names: tasks", "names: tasks", True, ">= 1.5"),
    *(Row(f"a new task's server begins -> answers through the {way}", "ms", f"first: {way}", goal="<= 100")
      for way in ("service's address on another node", "published port of m1", "published port of w1",
                  "published port of w2")),
)


def table(ours, swarm, loads, repository):
    """The whole report in Markdown; `swarm` is None if Swarm was not measured."""
    lines = [f"# Networks, {datetime.datetime.now():%Y-%m-%d %H:%M}", "", *facts(loads, repository), "",
             "| medians | unit | Shoal | beside | ratio | goal |", "| --- | --- | ---: | ---: | ---: | ---: |"]
    for row in ROWS:
        own = ours.median(row.name)
        if own is None:
            continue
        samples = swarm if row.of_swarm else ours
        peer = samples.median(row.beside) if samples and row.beside else None
        ratio = f"{own / peer:.2f}" if peer else ""
        lines.append(f"| {row.title} | {row.unit} | {with_spread(ours, row.name, own)} | {figure(peer)} | {ratio} | {row.goal} |")
    if swarm and swarm.median("overlay"):
        bare, overlay = swarm.median("bare"), swarm.median("overlay")
        lines.append(f"| Docker Swarm: container to container, beside node to node | Gbit/s | {figure(overlay)} | {figure(bare)} "
                     f"| {overlay / bare:.2f} | |")
    failures = ours.failures + (swarm.failures if swarm else [])
    lines += ["", "In brackets: smallest to largest, number of samples."]
    lines += ["", "Not measured to the end:", "", *(f"- {failure}" for failure in failures)] if failures else []
    return "\n".join(lines) + "\n"
