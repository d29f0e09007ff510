# SPDX-License-Identifier: Apache-2.0
"""Evidence that may be looked at after every sample: capital of bets on a bounded mean, and intervals that always hold.

It exists because drift detection and canaries need the same two pieces of arithmetic and may not import each other.
No thresholds, no metrics and no policy here; nothing that reads a clock or rolls dice.

**Bets.** Let x lie in [0, 1] and suppose its mean, given everything before, is at most `mean` (H0). A bet of size `b`,
0 <= b < 1/mean, multiplies a capital by 1 + b (x - mean): never negative, and under H0 not more than 1 on average. So a
capital that starts at 1 is an e-process: the chance that it *ever* reaches 1/alpha is at most alpha (Ville 1939).
Capital that gets one more unit before each sample is a Shiryaev-Roberts e-detector: the mean time until it reaches A
is at least A (Shin, Ramdas, Rinaldo: E-detectors, 2022). Several sizes at once, each with a share of the capital, are
a mixture: it wins about as fast as its best size. For x in {0, 1} the bet b = (p - mean) / (mean (1 - mean)) is the
likelihood ratio of rate p against rate `mean`.

**Not beyond the limit.** Where the next sample could carry the capital past the limit at which it is read, the bet is
cut so that x = 1 just reaches it: the same guarantee, and no capital is wasted on overshoot, so the limit comes
sooner (Fischer, Ramdas: Improving Wald's sequential probability ratio test by avoiding overshoot, 2024).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

MOST = 0.97
"""The largest rate that `bets_for` bets on: a bet on 1 loses everything at the first 0."""
CEILING = 1e300


def bets_for(mean: float, smallest: float) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """Sizes of bets against `mean` for rises of `smallest`, twice that, four times ..., and their shares.

    Shares halve from each to the next: a large rise is found soon in any case, the small one needs the capital.
    ValueError unless 0 < mean < mean + smallest < 1.

    >>> [round(b, 3) for b in bets_for(0.2, 0.1)[0]]
    [0.625, 1.25, 2.5, 4.812]
    """
    if not (0 < mean < 1 and smallest > 0 and mean + smallest < 1):
        raise ValueError(f"no rate lies {smallest} above {mean}: both must be above 0, and their sum below 1")
    rises: list[float] = []
    rise = smallest
    while mean + rise < MOST:
        rises.append(rise)
        rise *= 2
    if not rises:
        rises.append(smallest)
    elif mean + 1.25 * rises[-1] < MOST:
        rises.append(MOST - mean)
    raw = [0.5**i for i in range(len(rises))]
    return tuple(r / (mean * (1 - mean)) for r in rises), tuple(w / sum(raw) for w in raw)


@dataclass
class Capital:
    """Capital bet on a mean above `mean`, in several sizes at once.

    Args:
        mean: the largest mean under H0, in (0, 1).
        bets: sizes, each in (0, 1/mean).
        shares: how fresh capital is spread over them; they sum to 1.
        limit: where the capital is read; bets are cut so as not to pass it. None: never cut.
    """

    mean: float
    bets: tuple[float, ...]
    shares: tuple[float, ...]
    limit: float | None = None
    held: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        if not self.held:
            self.held = [0.0] * len(self.bets)
        if len({len(self.bets), len(self.shares), len(self.held)}) != 1:
            raise ValueError("as many shares and capitals as bets, please")
        if not (0 < self.mean < 1 and all(0 < b < 1 / self.mean for b in self.bets)):
            raise ValueError("every bet must lie between 0 and 1/mean")

    @property
    def total(self) -> float:
        """The capital over all sizes: the e-value where 1 was paid in, the e-detector's statistic otherwise."""
        return sum(self.held)

    def pay_in(self, amount: float) -> None:
        """Fresh capital, spread by the shares."""
        self.held = [h + amount * s for h, s in zip(self.held, self.shares, strict=True)]

    def bet(self, x: float) -> float:
        """Bet on one sample and return the total. ValueError where x is outside [0, 1] or NaN."""
        if not 0 <= x <= 1:
            raise ValueError(f"{x} is outside [0, 1]")
        before, shift, limit = self.held, x - self.mean, self.limit
        after = [h * (1 + b * shift) for h, b in zip(before, self.bets, strict=True)]
        total = sum(after)
        if limit is not None and total > 0:
            start = sum(before)
            stake = sum(h * b for h, b in zip(before, self.bets, strict=True))
            most = limit - start
            if 0 < most < stake * (1 - self.mean):
                wanted = start + most / (1 - self.mean) * shift
                after = [a * (wanted / total) for a in after]
                total = wanted
        self.held = after if total < CEILING else [a * (CEILING / total) for a in after]
        return total

    def bet_counts(self, ones: int, n: int) -> float:
        """Bet on n samples of which `ones` were 1 and the others 0, in whatever order; never cut. Returns the total."""
        if not 0 <= ones <= n:
            raise ValueError(f"{ones} of {n} is no count")
        up, down = 1 - self.mean, self.mean
        growth = [ones * math.log1p(b * up) + (n - ones) * math.log1p(-b * down) for b in self.bets]
        self.held = [min(CEILING, h * math.exp(min(g, 690.0))) for h, g in zip(self.held, growth, strict=True)]
        return self.total

    def grow(self, logs: Sequence[float]) -> float:
        """Multiply the capital of each size by exp of its number (`two_sample_growth`). Returns the total."""
        self.held = [min(CEILING, h * math.exp(min(g, 690.0))) for h, g in zip(self.held, logs, strict=True)]
        return self.total


def two_sample_growth(
    size: float, *, tolerance: float, guess: float, first: tuple[int, float], second: tuple[int, float]
) -> float:
    """Log of the factor that a bet of `size` on "the second's mean is more than `tolerance` above the first's" earns.

    With n first samples x and m second samples y in [0, 1], independent of one another, the factor is the product of
    1 + size/m (y - guess - tolerance) over the y and of 1 - size/n (x - guess) over the x. Under H0 its mean is at most
    exp(size ((mean y - guess - tolerance) - (mean x - guess))) <= 1, whatever `guess` was made before the samples: a
    good one makes the bet pay (after Turner, Ly, Gruenwald: Generic E-variables for exact sequential k-sample tests,
    2024, in the form of bets). Rare events bring up to 1 + size each, against 2 for a bet on the difference.

    Args:
        size: wished for; cut so that no factor comes near 0.
        first, second: (how many, their sum); no first sample at all means that its mean is known to be at most `guess`.
    """
    (n, bad), (m, worse) = first, second
    size = min(size, 0.9 * m / (guess + tolerance), 0.9 * n / (1 - guess) if n and guess < 1 else math.inf)
    mine, base = size / m, guess + tolerance
    log = worse * math.log1p(mine * (1 - base)) + (m - worse) * math.log1p(-mine * base)
    if not n:
        return log
    other = size / n
    return log + bad * math.log1p(-other * (1 - guess)) + (n - bad) * math.log1p(other * guess)


@dataclass
class MeanInterval:
    """An interval for the mean of samples in [0, 1] that holds at every moment at once with probability 1 - alpha.

    Empirical Bernstein with predictable weights: Waudby-Smith, Ramdas, "Estimating means of bounded random variables
    by betting", 2024, theorem 2. Needs no more than that the mean, given the past, stays the same.
    """

    alpha: float
    n: int = 0
    weight: float = 0.0
    weighted: float = 0.0
    spent: float = 0.0
    sum: float = 0.5
    squares: float = 0.25

    def add(self, x: float) -> None:
        """Take one sample in [0, 1]."""
        n = self.n + 1
        variance = self.squares / n
        size = min(0.5, math.sqrt(2 * math.log(2 / self.alpha) / (variance * n * math.log(1 + n))))
        guess = self.sum / n
        self.weight += size
        self.weighted += size * x
        self.spent += (x - guess) ** 2 * (-math.log1p(-size) - size)
        self.n, self.sum = n, self.sum + x
        self.squares += (x - self.sum / (n + 1)) ** 2

    def bounds(self) -> tuple[float, float]:
        """(low, high), within [0, 1]."""
        if not self.n:
            return 0.0, 1.0
        middle = self.weighted / self.weight
        half = (math.log(2 / self.alpha) + self.spent) / self.weight
        return max(0.0, middle - half), min(1.0, middle + half)

    @property
    def mean(self) -> float:
        """The plain mean of the samples; 0.5 before the first."""
        return (self.sum - 0.5) / self.n if self.n else 0.5

    def state(self) -> list[float]:
        """What `restored` needs."""
        return [self.alpha, self.n, self.weight, self.weighted, self.spent, self.sum, self.squares]

    @classmethod
    def restored(cls, state: Sequence[Any]) -> MeanInterval:
        """The interval whose `state()` this is."""
        return cls(float(state[0]), int(state[1]), *(float(v) for v in state[2:]))


def rate_above(ones: float, n: int, alpha: float) -> float:
    """A rate that the true one exceeds with probability at most alpha, after `ones` of n (n fixed beforehand).

    Chernoff's bound, by bisection: the largest u with n KL(ones/n, u) <= log(1/alpha). 1.0 for n = 0.

    >>> round(rate_above(0, 5000, 0.001), 5), round(rate_above(500, 5000, 0.001), 4)
    (0.00138, 0.1165)
    """
    if n == 0:
        return 1.0
    p, most = ones / n, math.log(1 / alpha) / n

    def divergence(u: float) -> float:
        one = p * math.log(p / u) if p else 0.0
        return one + ((1 - p) * math.log((1 - p) / (1 - u)) if p < 1 else 0.0)

    low, high = p, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if middle < 1 and divergence(middle) <= most else (low, middle)
    return high
