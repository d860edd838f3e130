"""Measures our cluster, then Swarm if asked for, and prints the table. Started by deploy/bench."""

import argparse
import os
import subprocess
import sys
import tempfile
import time

import measures
from cluster import CallFailed, Cluster, NameTaken
from report import table
from samples import Samples
from swarm import PeerMissing, Swarm

SETTLE_SECONDS = 10
# What a measure may fail with; anything else is a fault of the benchmark itself.
FAILURES = (CallFailed, TimeoutError, OSError, subprocess.SubprocessError, StopIteration, RuntimeError, AssertionError)


def arguments():
    parser = argparse.ArgumentParser(prog="bench", add_help=False)
    for internal in ("--program", "--image", "--repository"):
        parser.add_argument(internal, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--with-swarm", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(measures.MEASURES))
    parser.add_argument("--output")
    given = parser.parse_args()
    if unknown := [name for name in given.only if name not in measures.MEASURES]:
        parser.error(f"no measure is called {', '.join(unknown)}: there are {', '.join(measures.MEASURES)}")
    if given.runs < 1:
        parser.error(f"--runs {given.runs}: use 1 or more")
    return given


def take(system, names, samples, measure):
    """Takes measures one after another; after one that fails, the system begins anew."""
    began = False
    try:
        for name in names:
            print(f"== {samples.system}: {name}", file=sys.stderr, flush=True)
            try:
                if not began:
                    system.begin()
                    began = True
                    # What starting left to be done must not count.
                    time.sleep(SETTLE_SECONDS)
                measure(name)
            except FAILURES as error:
                samples.fail(name, str(error) or type(error).__name__)
                began = False
    finally:
        system.down()


def main():
    given = arguments()
    names = [name for name in measures.MEASURES if name in given.only]
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        try:
            cluster = Cluster(given.program, given.image)
            swarm = Swarm(folder) if given.with_swarm else None
        except (NameTaken, PeerMissing) as error:
            sys.exit(f"bench: {error}")
        loads = [("before", os.getloadavg()[0])]
        ours, peers = Samples("shoal"), Samples("swarm") if swarm else None
        take(cluster, names, ours, lambda name: measures.MEASURES[name](cluster, ours, given.runs))
        loads.append(("after Shoal", os.getloadavg()[0]))
        if swarm:
            take(swarm, names, peers, lambda name: swarm.measure(name, peers, given.runs))
            loads.append(("after Swarm", os.getloadavg()[0]))
    report = table(ours, peers, loads, given.repository)
    print(report, end="")
    if given.output:
        with open(given.output, "w", encoding="utf-8") as file:
            file.write(report)
    if ours.failures or (peers and peers.failures):
        sys.exit("bench: some measures could not be taken; the table names them")


if __name__ == "__main__":
    main()
