"""Claims without an interval: what is counted, measured or proved. One counterexample is enough against a theorem."""

from collections.abc import Callable

import pandas as pd

from tdlib.claims import Claim, Estimate, Evidence, theorems


def _extreme(ratios: pd.Series | None, which: Callable[[pd.Series], float]) -> Estimate | None:
    """The largest or smallest of some ratios; it is no statistic of runs."""
    if ratios is None or ratios.empty:
        return None
    return Estimate(*[float(which(ratios))] * 3, settings=len(ratios), runs=0)


def _theorem(name: str, sentence: str, source: str, holds) -> Claim:
    def test(evidence: Evidence) -> Estimate:
        return evidence.theorem(holds)

    words = "share of real and made triples on which the inequality holds; exact, one counterexample is enough"
    return Claim(name, sentence, words, test, "% of triples", "at least", bound=100, source=source)


CLAIMS = [
    Claim(
        "faster",
        "Forecasts are up to 7 times as fast as a teacher's",
        "largest ratio of median latencies over our teachers, batches of 16, page 10; measured, no interval",
        lambda evidence: _extreme(evidence.latencies(), max),
        unit="times",
        side="at least",
        bound=7,
        published=7.09,
        source="Table 11, ECL",
        over="teachers",
    ),
    Claim(
        "fewer weights",
        "The student has up to 130 times fewer weights than a teacher",
        "largest ratio of weights over settings and teachers; counted, no interval",
        lambda evidence: _extreme(evidence.weights(), max),
        unit="times",
        side="at least",
        bound=122.3,
        published=122.3,
        source="Table 11, ECL",
        over="settings and teachers",
    ),
    Claim(
        "always fewer weights",
        "The student has fewer weights than every teacher",
        "smallest ratio of weights over settings and teachers; counted, no interval",
        lambda evidence: _extreme(evidence.weights(), min),
        unit="times",
        side="above",
        bound=1,
        published=3.796,
        source="Table 11, ECL",
        over="settings and teachers",
    ),
    _theorem(
        "theorem 4.1",
        "Truth and teacher's scales at full length bound learning from mixtures",
        "Theorem 4.1",
        lambda y, t, s: theorems.scales(y, t, s) >= 1 - theorems.SLACK,
    ),
    _theorem(
        "theorem 4.1, as trained",
        "The scale loss that is trained, pooled on both sides, bounds it",
        "Theorem 4.1",
        lambda y, t, s: theorems.scales(y, t, s, pooled=True) >= 1 - theorems.SLACK,
    ),
    _theorem(
        "theorem 4.2",
        "Learning from the truth's and the teacher's periods bounds learning from a mixture of mass one",
        "Theorem 4.2",
        lambda y, t, s: theorems.periods(y, t, s) >= -theorems.SLACK,
    ),
    _theorem(
        "theorem 4.2, as published",
        "The squared error bounds the divergence of periods, as the published proof has it",
        "Theorem 4.2",
        lambda y, t, s: theorems.error_over_divergence(y, s) >= -theorems.SLACK,
    ),
]
