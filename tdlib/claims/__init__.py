"""Claims of the paper and of this study, each tested on rows, and one rule for the verdict.

    Claim --test(Evidence)--> Estimate (value, 95% interval) --verdict--> holds | does not hold here | inconclusive

`listed.CLAIMS` are the claims, those of `exact` without an interval among them; `evidence` has the rows and what is
estimated from them, `statistics` what single claims are tested by, `theorems` the two inequalities.
"""

import math
import operator
from collections.abc import Callable, Iterable
from dataclasses import dataclass

import numpy as np
import pandas as pd

from tdlib.checks import one_of
from tdlib.claims.evidence import Estimate, Evidence
from tdlib.report import words
from tdlib.rows import Missing

__all__ = ["VERDICTS", "Claim", "Estimate", "Evidence", "counts", "short", "table", "verdict"]

VERDICTS = ("holds", "does not hold here", "inconclusive", "not tested here")
SIDES = {"below": operator.lt, "above": operator.gt, "at least": operator.ge}


@dataclass(frozen=True)
class Claim:
    """A sentence and how rows decide it: `statistic`, in `unit`, is to lie on a `side` of `bound`.

    `published` is what `source` gives for the statistic, in its unit; None where it gives no figure. `over` says what
    the `settings` of its Estimate are: data sets with their horizons or, say, teachers. `test` returns None, or raises
    `rows.Missing`, where the rows are not there or fewer than `statistic` says.
    """

    name: str
    sentence: str
    statistic: str
    test: Callable[[Evidence], Estimate | None]
    unit: str = "% MSE"
    side: str = "below"
    bound: float = 0.0
    published: float | None = None
    source: str = "this study"
    over: str = "settings"


def verdict(low: float, high: float, side: str, bound: float = 0.0) -> str:
    """The rule: *holds* where the whole interval is on the claimed side of `bound`, *does not hold here* where none
    of it is, *inconclusive* where it straddles, *not tested here* where there is no interval (NaN).

    What is counted or proved exactly has `low` and `high` equal, or as far apart as what is missing may move it.
    ValueError for a side other than "below", "above" and "at least".
    """
    one_of("side", side, SIDES)
    if math.isnan(low) or math.isnan(high):
        return "not tested here"
    both = SIDES[side](low, bound), SIDES[side](high, bound)
    return "holds" if all(both) else "inconclusive" if any(both) else "does not hold here"


def table(claims: Iterable[Claim], evidence: Evidence) -> pd.DataFrame:
    """One line a claim, its name in `claim`, with its `statement`, what is `claimed`, what was found, and the verdict.

    `ours`, with the ends of its interval, is the Estimate's value, and `rows` its runs. `words` say the same, and what
    is left without the setting, or data set, that moves it most where the verdict would then be another.
    """
    lines = []
    for claim in claims:
        found = _found(claim, evidence)
        line = {"claim": claim.name, "statement": claim.sentence, "published": claim.published, "source": claim.source}
        line |= {"ours": found.value, "low": found.low, "high": found.high}
        line |= {"verdict": verdict(found.low, found.high, claim.side, claim.bound), "rows": found.runs}
        line |= {"statistic": claim.statistic, "unit": claim.unit, "claimed": f"{claim.side} {claim.bound:g}"}
        lines.append(line | vars(found) | {"words": _words(found, claim)})
    return pd.DataFrame(lines).drop(columns=["value", "runs"])


def short(table: pd.DataFrame) -> pd.DataFrame:
    """It in words: claim, published, ours, verdict."""
    published = table["published"].map("{:.4g} ".format, na_action="ignore") + table["unit"]
    parts = {"claim": table["statement"], "published": published, "ours": table["words"]}
    return pd.DataFrame(parts | {"verdict": table["verdict"]})


def counts(table: pd.DataFrame) -> pd.DataFrame:
    """How many claims have which verdict, those of the paper and those that this study adds."""
    whose = np.where(table["source"] == Claim.source, "of this study", "of the paper")
    found = pd.crosstab(whose, table["verdict"], rownames=["claims"], colnames=[None], margins=True, margins_name="all")
    return found.reindex(columns=[*VERDICTS, "all"], fill_value=0)


def _found(claim: Claim, evidence: Evidence) -> Estimate:
    try:
        found = claim.test(evidence)
    except Missing:
        found = None
    return found or Estimate(math.nan, math.nan, math.nan, 0, 0)


def _words(found: Estimate, claim: Claim) -> str | None:
    if math.isnan(found.value):
        return None
    runs = f", {found.runs} runs" if found.runs else ""
    over, count = claim.over.removesuffix("s" if found.settings == 1 else ""), f"{found.settings}"
    if found.negative is not None:
        count = f"lower for {found.negative} of {count}"
    rest, ends = "", ((found.low, found.high), (found.rest_low, found.rest_high))
    if found.without and len({verdict(*pair, claim.side, claim.bound) for pair in ends}) > 1:
        rest = f"; without {found.without}: {words.interval(found.rest, found.rest_low, found.rest_high)}"
    value = words.interval(*found.interval) if found.low < found.high else f"{found.value:.3g}"
    return f"{value} {claim.unit}; {count} {over}{runs}{rest}"
