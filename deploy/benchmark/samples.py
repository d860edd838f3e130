"""What was measured: named samples, each with the machine's load when it was taken."""

import os
import statistics
import sys


class Samples:
    """Samples of one system, by the name of what was measured."""

    def __init__(self, system):
        self.system = system
        self.by_name = {}
        self.failures = []

    def add(self, name, value):
        """Takes a sample and shows it, so that a long run can be followed."""
        self.by_name.setdefault(name, []).append(value)
        print(f"  {self.system}: {name}: {value:.3f}  (load {os.getloadavg()[0]:.2f})", file=sys.stderr, flush=True)

    def fail(self, measure, error):
        """Notes that a measure could not be taken to its end."""
        self.failures.append(f"{self.system}: {measure}: {error}")
        print(f"  {self.system}: {measure} FAILED: {error}", file=sys.stderr, flush=True)

    def median(self, name):
        """The median, or None if there is no sample."""
        values = self.by_name.get(name)
        return statistics.median(values) if values else None

    def spread(self, name):
        """The smallest, the largest and the number of samples."""
        values = self.by_name.get(name, [])
        return (min(values), max(values), len(values)) if values else None
