"""Measures the networks of a cluster of ours, then of Swarm if asked for, and prints the table.
Started by deploy/bench-network."""

import argparse
import os
import sys
import tempfile

import network_measures
import network_swarm
from cluster import NameTaken
from main import take
from network_bed import Bed
from network_report import table
from samples import Samples
from swarm import PeerMissing


def arguments():
    parser = argparse.ArgumentParser(prog="bench-network", add_help=False)
    for internal in ("--program", "--image", "--repository"):
        parser.add_argument(internal, required=True, help=argparse.SUPPRESS)
    parser.add_argument("--with-swarm", action="store_true")
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=4)
    parser.add_argument("--only", type=lambda text: text.split(","), default=list(network_measures.MEASURES))
    parser.add_argument("--output")
    given = parser.parse_args()
    if unknown := [name for name in given.only if name not in network_measures.MEASURES]:
        parser.error(f"no measure is called {', '.join(unknown)}: there are {', '.join(network_measures.MEASURES)}")
    for option in ("runs", "seconds"):
        if getattr(given, option) < 1:
            parser.error(f"--{option} {getattr(given, option)}: use 1 or more")
    return given


def main():
    given = arguments()
    names = [name for name in network_measures.MEASURES if name in given.only]
    with tempfile.TemporaryDirectory(prefix="shoal-bench-") as folder:
        try:
            bed = Bed(given.program, given.image)
            swarm = network_swarm.SwarmNetworks(folder) if given.with_swarm else None
        except (NameTaken, PeerMissing) as error:
            sys.exit(f"bench-network: {error}")
        loads = [("before", os.getloadavg()[0])]
        ours, peers = Samples("shoal"), Samples("swarm") if swarm else None
        take(bed, names, ours, lambda name: network_measures.MEASURES[name](bed, ours, given.runs, given.seconds))
        loads.append(("after Shoal", os.getloadavg()[0]))
        if swarm:
            take(swarm, [name for name in names if name in network_swarm.MEASURES], peers,
                 lambda name: swarm.take(name, peers, given.runs, given.seconds))
            loads.append(("after Swarm", os.getloadavg()[0]))
    report = table(ours, peers, loads, given.repository)
    print(report, end="")
    if given.output:
        with open(given.output, "w", encoding="utf-8") as file:
            file.write(report)
    if ours.failures or (peers and peers.failures):
        sys.exit("bench-network: some measures could not be taken; the table names them")


if __name__ == "__main__":
    main()
