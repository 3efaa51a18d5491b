"""A model of the time of a step in several processes, and its fit to measured ones.

`step_seconds` is the model, explained in docs/scaling.md; scale_out.py measures.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from itertools import product

import numpy as np

NETWORKS = {
    "1 Gbit/s": (1e9 / 8, 1e-3),
    "10 Gbit/s": (1e10 / 8, 1e-4),
    "100 Gbit/s": (1e11 / 8, 2e-5),
}
"""Bytes per second of a link, and seconds that a message takes over it."""


@dataclass(frozen=True)
class Way:
    """How a network is trained.

    Args:
        cores: of each process.
        delay_ms, mbit: of the link between the processes; loopback has none.
    """

    processes: int
    cores: int
    delay_ms: float = 0.0
    mbit: float = math.inf

    def __str__(self) -> str:
        name = f"{self.processes} × {self.cores} core{'s' * (self.cores > 1)}"
        return name if self.mbit == math.inf else f"{name}, {self.link}"

    @property
    def link(self) -> str:
        """The link in words."""
        return (
            "loopback"
            if self.mbit == math.inf
            else f"{self.delay_ms:g} ms, {self.mbit:g} Mbit/s"
        )


def bytes_per_step(num_parameters: int, processes: int) -> float:
    """What each process sends in a step: a ring passes every gradient on twice.

    >>> bytes_per_step(num_parameters=1_000_000, processes=2)
    4000000.0
    """
    return 4 * num_parameters * 2 * (processes - 1) / processes


def step_seconds(
    compute: float,
    num_parameters: int,
    processes: int,
    seconds_per_byte: float,
    latency: float,
) -> float:
    """A step of so many processes, whose lanes take `compute` seconds in one.

    The gradients travel when all of them are there: XLA on a CPU does not overlap the two.

    >>> step_seconds(1.0, 1_000_000, 4, seconds_per_byte=1e-9, latency=1e-3)
    0.262
    """
    rounds = 2 * (processes - 1)
    traffic = bytes_per_step(num_parameters, processes) * seconds_per_byte
    return compute / processes + rounds * latency + traffic


@dataclass(frozen=True)
class Costs:
    """What is fitted: what messages cost beside the link.

    Args:
        own_latency: seconds of a message without any delay.
        num_delays: how often a message waits for the delay of the link.
        own_seconds: of a byte without any limit of the bandwidth.
    """

    own_latency: float
    num_delays: float
    own_seconds: float

    def step_seconds(
        self, compute: float, num_parameters: int, processes: int, delay: float, rate: float
    ) -> float:
        """A step over links of so many seconds of delay and so many bytes per second."""
        latency = self.own_latency + self.num_delays * delay
        per_byte = self.own_seconds + 1 / rate
        return step_seconds(compute, num_parameters, processes, per_byte, latency)


@dataclass(frozen=True)
class Point:
    """A step of two processes: its model and way, and the seconds that it took.

    Args:
        compute: seconds of the step in one process.
    """

    network: str
    num_parameters: int
    way: Way
    compute: float
    seconds: float

    def fitted(self, costs: Costs) -> float:
        """The seconds by the model."""
        delay, rate = self.way.delay_ms / 1e3, self.way.mbit * 1e6 / 8
        return costs.step_seconds(self.compute, self.num_parameters, 2, delay, rate)


def fitted_costs(points: Sequence[Point]) -> Costs:
    """The costs, none of them negative, with the least squares of relative errors.

    >>> found = Costs(own_latency=1e-3, num_delays=2.0, own_seconds=1e-9)
    >>> ways = [Way(2, 1), Way(2, 1, 1, 1000), Way(2, 1, 5, 1000)]
    >>> bare = [Point("", n, way, 1.0, 0.0) for way in ways for n in (10**6, 10**7)]
    >>> points = [replace(point, seconds=point.fitted(found)) for point in bare]
    >>> [round(cost, 12) for cost in vars(fitted_costs(points)).values()]
    [0.001, 2.0, 1e-09]
    """
    free = Costs(0, 0, 0)
    units = [replace(free, **{field.name: 1.0}) for field in fields(Costs)]
    rest = np.array([point.seconds - point.fitted(free) for point in points])
    slopes = np.array([[p.fitted(unit) - p.fitted(free) for unit in units] for p in points])
    weights = 1 / np.array([point.seconds for point in points])
    best, least = free, math.inf
    # A cost that would be negative is left out.
    for kept in product([False, True], repeat=len(units)):
        columns = np.where(kept, slopes, 0.0) * weights[:, None]
        # Their sizes differ by nine orders of magnitude.
        scale = np.abs(columns).max(axis=0) + (np.abs(columns).max(axis=0) == 0)
        solution = np.linalg.lstsq(columns / scale, rest * weights, rcond=None)[0] / scale
        error = float(np.sum((columns @ solution - rest * weights) ** 2))
        if solution.min() >= 0 and error < least:
            best, least = Costs(*map(float, solution)), error
    return best


def fit_in_words(costs: Costs, points: Sequence[Point]) -> str:
    """The fitted costs, and how well they give the times again."""
    rate = 8e-9 / costs.own_seconds if costs.own_seconds else math.inf
    lines = [
        f"Fitted: a message takes {1e3 * costs.own_latency:.2f} ms and "
        f"{costs.num_delays:.1f} times the delay of the link; by themselves, the processes "
        f"pass on {rate:.1f} Gbit/s.",
        "",
        "| network | two processes over | computing alone: ms | measured: ms | model: ms "
        "| off by |",
        "|---" * 6 + "|",
    ]
    for point in points:
        model = point.fitted(costs)
        lines.append(
            f"| {point.network} | {point.way.link} | {1e3 * point.compute / 2:.0f} | "
            f"{1e3 * point.seconds:.0f} | {1e3 * model:.0f} | "
            f"{100 * (model / point.seconds - 1):+.0f} % |"
        )
    return "\n".join(lines)


def on_paper(point: Point, lanes: int, costs: Costs) -> str:
    """What more processes would gain over networks, by the model."""
    compute, num_parameters = point.compute, point.num_parameters
    lines = [
        f"{point.network}: {num_parameters:,} parameters; each of two processes sends "
        f"{bytes_per_step(num_parameters, 2) / 1e6:.1f} MB in a step of {lanes} lanes.",
        "",
        "| processes | lanes | " + " | ".join(NETWORKS) + " |",
        "|---" * (len(NETWORKS) + 2) + "|",
    ]
    for processes in (2, 4, 8, 16, 32, 64):
        gains = [
            compute / costs.step_seconds(compute, num_parameters, processes, delay, rate)
            for rate, delay in NETWORKS.values()
        ]
        shown = " | ".join(f"{gain:.1f}×" for gain in gains)
        lines.append(f"| {processes} | {lanes} | {shown} |")
    return "\n".join(lines)
