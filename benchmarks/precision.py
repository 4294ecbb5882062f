"""What bfloat16 does to a run's error: an iTransformer and the MLP distilled from it, in both precisions.

    python benchmarks/precision.py [--dataset ETTh1] [--horizon 96]        -> results/benchmarks/precision.{csv,md,tex}

The runs are the laptop profile's, each precision in a store of its own under build/precision, where a stopped
measurement goes on. Beside the mean difference stands how far apart the seeds are: below that it is no finding.
"""

import argparse

import pandas as pd

from tdlib import study
from tdlib.compute import Compute
from tdlib.profiles import Profile
from tdlib.report import tables

PRECISIONS = "float32", "bfloat16"


def runs(dataset: str, horizon: int) -> list[study.RunConfig]:
    """A teacher and its student for every seed of the profile."""
    main = [run for run in Profile("laptop").runs("main") if (run.dataset, run.horizon) == (dataset, horizon)]
    return [run for run in main if "itransformer" in (run.model, run.teacher)]


def table(rows: dict[str, pd.DataFrame]) -> pd.DataFrame:
    """A line a model: its test MSE in both precisions, their difference and the deviation over seeds in %."""
    both = pd.DataFrame({name: rows[name].set_index(["model", "seed"])["test_mse"] for name in PRECISIONS})
    both["difference [%]"] = 100 * (both["bfloat16"] / both["float32"] - 1)
    groups = both.groupby("model", sort=False)
    spread = 100 * groups["float32"].std() / groups["float32"].mean()
    return groups.mean().assign(**{"over seeds [%]": spread, "runs": groups.size()}).reset_index()


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("--dataset", default="ETTh1")
    parser.add_argument("--horizon", type=int, default=96)
    options = parser.parse_args()
    made = runs(options.dataset, options.horizon)
    rows = {
        name: study.ensure(made, store=f"build/precision/{name}", compute=Compute(1, "cpu", name))
        for name in PRECISIONS
    }
    tables.save(table(rows), "precision", "results/benchmarks", digits=4)
