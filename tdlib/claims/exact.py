"""Claims without an interval: what is counted, measured or proved. One counterexample is enough against a theorem."""

from collections.abc import Callable

import pandas as pd

from tdlib.claims import Claim, Estimate, Evidence, theorems

BATCH = 1  # windows of a forecast on ECL, as page 10 measures it; the paper's 16 take 6 GB
ON_ECL = "teachers in published sizes, 321 channels, page 10"
COUNTED = f"{ON_ECL}; means over the four horizons, counted, no interval"


def _extreme(ratios: pd.Series | None, which: Callable[[pd.Series], float]) -> Estimate | None:
    """The largest or smallest of some ratios; it is no statistic of runs."""
    if ratios is None or ratios.empty:
        return None
    return Estimate(*[float(which(ratios))] * 3, settings=len(ratios), runs=0)


def _theorem(name: str, sentence: str, source: str, holds) -> Claim:
    def test(evidence: Evidence) -> Estimate:
        return evidence.theorem(holds)

    words = (
        "share of triples on which the inequality holds, of real forecasts or of made ones, whichever is less; exact"
    )
    return Claim(name, sentence, words, test, "% of triples", "at least", bound=100, source=source)


CLAIMS = [
    Claim(
        "faster",
        "On ECL forecasts are up to 7 times as fast as a teacher's",
        f"largest ratio of median latencies, {ON_ECL}, batches of {BATCH} on one thread of a CPU, published: of 16 "
        "on a GPU, there means over horizons, here 720 steps; measured, no interval",
        lambda evidence: _extreme(evidence.on_ecl("latency"), max),
        unit="times",
        side="at least",
        bound=7,
        published=7.09,
        source="Table 11",
        over="teachers",
    ),
    Claim(
        "fewer weights",
        "On ECL the student has up to 122 times fewer weights than a teacher",
        f"largest ratio of weights, {COUNTED}; the bound leaves 1% for published figures that are rounded",
        lambda evidence: _extreme(evidence.on_ecl("parameters"), max),
        unit="times",
        side="at least",
        bound=121,
        published=122.3,
        source="Table 11",
        over="teachers",
    ),
    Claim(
        "always fewer weights",
        "On ECL the student has fewer weights than every teacher",
        f"smallest ratio of weights, {COUNTED}",
        lambda evidence: _extreme(evidence.on_ecl("parameters"), min),
        unit="times",
        side="above",
        bound=1,
        published=3.796,
        source="Table 11",
        over="teachers",
    ),
    Claim(
        "always fewer weights, here",
        "In the sizes that this study trains the student has fewer weights than every teacher",
        "smallest ratio of weights over settings and teachers; counted, no interval",
        lambda evidence: _extreme(evidence.weights(), min),
        unit="times",
        side="above",
        bound=1,
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
