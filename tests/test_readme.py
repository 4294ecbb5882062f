"""What README promises of places and commands is there."""

import re
from pathlib import Path

import pandas as pd
import pytest

from tdlib import models, profiles, study
from tdlib.__main__ import main
from tdlib.config import DECAY
from tdlib.report import tables, words

ROOT = Path(__file__).parents[1]
README = (ROOT / "README.md").read_text()
DIFFERENCES, YOUR_CSV = ((ROOT / f"docs/{name}.md").read_text() for name in ("differences", "your_csv"))
TEXTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]


@pytest.mark.parametrize("text", TEXTS, ids=lambda path: path.name)
def test_every_link_leads_somewhere(text):
    links = re.findall(r"\]\(([^)#:]+)\)", text.read_text())
    assert [link for link in links if not (text.parent / link).exists()] == []


def test_the_map_names_each_room():
    block = re.search(r"## Where things are\n\n(.*?)\n\n", README, re.DOTALL)[1]
    words = set(re.findall(r"[a-z_]+(?=/)|[a-z_]+(?=[,; |]|$)", block, re.MULTILINE))
    rooms = {path.stem for path in (ROOT / "tdlib").iterdir() if not path.name.startswith("__")}
    assert rooms <= words
    further = {path.stem for room in ("sweep", "report") for path in (ROOT / "tdlib" / room).iterdir()} - {"__init__"}
    assert {name for name in further if not name.startswith("_")} <= words


def test_ten_changes_name_one_file_each():
    lines = re.findall(r"^\| (.+?) \| .*?\[(tdlib/[^]]+)\]", README, re.MULTILINE)
    assert len(lines) >= 10
    assert len({change for change, _ in lines}) == len(lines)
    assert len({file for _, file in lines}) == len(lines)  # no file holds two of these ideas


def test_every_command_that_readme_shows_is_one(capsys):
    called = r"^    tdlib ([a-z]+)|(?:python -m |`)tdlib ([a-z]+)"
    commands = {a or b for a, b in re.findall(called, README, re.MULTILINE)}
    for command in commands:
        with pytest.raises(SystemExit) as stopped:
            main([command, "--help"])
        assert stopped.value.code == 0
    assert {"runs", "pages", "distill", "forecast", "export", "backtest", "list", "clean"} <= commands


def test_what_is_said_of_the_idle_pair_is_in_its_table():
    """Idle, the plain student is worse on both data sets, and the gain by distillation looks larger."""
    table = pd.read_csv(ROOT / "results/tables/07_affine.csv").set_index("MLP")
    for dataset in ("ETTh1", "ETTh2"):
        learns, idle = (table.loc[f"{dataset}, {how}"] for how in ("the last pair learns", "it is idle"))
        assert learns["seeds"] == idle["seeds"] == 3
        assert idle["plain"] > learns["plain"]
        assert idle["gain over plain %"] > learns["gain over plain %"]
    for how, far in (("the last pair learns", (2.5, 4.1)), ("it is idle", (1.1, 2.1))):
        line = table.loc[f"ETTh2, {how}"]
        distances = [abs(line["plain"] - 0.313) / line["deviation, plain"]]
        distances += [abs(line["distilled"] - 0.280) / line["deviation, distilled"]]
        assert distances == pytest.approx(far, abs=0.05)
        assert f"{far[0]} and {far[1]}" in DIFFERENCES


def test_readme_begins_with_what_the_claims_found():
    """The sides and the numbers; page 00b writes the lines."""
    block = re.search(r"<!-- table: headlines -->\n(.*?)<!-- end -->", README, re.DOTALL)[1]
    found = re.findall(r"(ahead of|behind|level with) [^(]+? \(([^%]+)%", " ".join(block.split()))
    names = ["plain, iTransformer", "teacher, iTransformer", "plain, ModernTCN", "teacher, ModernTCN", "plain, decayed"]
    names += ["decay: on both", "plain, fair, iTransformer", "plain, fair, ModernTCN"]
    names += [f"part: {part}" for part in ("coarser scales", "period parts", "feature level", "prediction level")]
    names += ["Ridge", "patient, published", "patient, Ridge", "patient, committee"]
    sides = {"ahead of": "holds", "behind": "does not hold here", "level with": "inconclusive"}
    claims = pd.read_csv(ROOT / "results/claims.csv").set_index("claim").loc[names].dropna(subset="ours")
    assert [sides[side] for side, _ in found] == claims["verdict"].tolist()
    numbers = [words.interval(*line) for line in claims[["ours", "low", "high"]].to_numpy()]
    assert [number for _, number in found] == numbers


def test_the_one_weight_decay_is_within_two_percent_of_the_best_plain_trial_everywhere():
    tried = [
        run for entry in profiles.load("demo+laptop") for run in profiles.fair.trials(entry) if run.teacher is None
    ]
    found = study.ensure(tried, store=ROOT / "results", train_missing=False)
    best = found.groupby("dataset")["val_mse"].min()
    ours = found[(found["learning_rate"] == 0.01) & (found["weight_decay"] == DECAY)].set_index("dataset")["val_mse"]
    assert len(ours) == len(best) >= 5
    assert (ours / best < 1.02).all()


def test_what_is_said_of_speed_is_in_its_tables():
    text = " ".join((ROOT / "docs/speed.md").read_text().split())
    epoch, where, tcn = (
        pd.read_csv(ROOT / f"results/benchmarks/{name}.csv", index_col=0)
        for name in ("epoch", "epoch_where", "moderntcn")
    )
    whole, products = where["distilled"].sum(), where.loc["matrix products", "distilled"]
    assert f"Of a distilled step's {whole:.1f} ms, {products:.1f} are matrix products" in text
    assert f"here it is {whole / products:.2f} times its products" in text and whole / products < 13 / 7.8
    assert f"takes {epoch.loc['straightforward / distilled', 'median']:.2f} times as long" in text
    aims = epoch["aim"].str.extract(r"at (?P<side>\w+) (?P<bound>[\d.]+)")
    above, bound = aims["side"] == "most", aims["bound"].astype(float)
    missed = (epoch["median"] > bound).where(above, epoch["median"] < bound)
    assert missed.sum() == 4 and "Four aims are not met" in text
    assert 2.8 < epoch.loc["straightforward / distilled bfloat16", "median"] < 3  # "just misses it"
    half = where.loc["matrix products", "distilled bfloat16"] / products
    assert half < 0.35 and "takes less than a third of the products' time" in text
    assert f"({tcn.loc['conv1d, randint', 'ms a step']:.0f} ms against 356)" in text
    assert tcn.loc["products", "ms a step"] > 150 and tcn.loc["products", "times as fast"] < 2.3


def test_what_is_said_of_bfloat16_is_in_its_table():
    """A run's error moves by less than the seeds are apart."""
    table = pd.read_csv(ROOT / "results/benchmarks/precision.csv")
    assert len(table) >= 2 and (table["difference [%]"].abs() < table["over seeds [%]"]).all()


def test_what_is_said_of_the_rivals_is_in_their_table():
    text = " ".join(YOUR_CSV.split())
    assert (
        "statsforecast's beyond chance, of neuralforecast's one on each series. On ETTh1 our own distilled MLP and"
        in text
    )
    table = pd.read_csv(ROOT / "results/benchmarks/rivals.csv")
    found = table["against the chosen [%]"].str.extract(r"(?P<value>\S+) \[(?P<low>.+), (?P<high>.+)\]").astype(float)
    stats, neural = (table["model"].str.startswith(f"{name}forecast ") for name in ("stats", "neural"))
    assert (stats.sum(), neural.sum()) == (6, 4) and (found.loc[stats | neural, "value"] > 0).all()
    assert (found.loc[stats, "low"] > 0).all()
    assert ((found["low"] > 0) & neural).groupby(table["series"]).sum().tolist() == [1, 1]
    windows = table.groupby("series", sort=False)["windows"].first()
    assert "little more than two fit into one series, than three into the other" in text
    assert list(96 * windows // (720 + 96)) == [2, 3]
    ours = (table["series"] == "ETTh1") & table["model"].isin(["tdlib MLP distilled", "tdlib Ridge"])
    assert ours.sum() == 2 and (found.loc[ours, "high"] < 0).all()


def test_what_is_said_of_seeds_is_what_the_profiles_say():
    text = " ".join(DIFFERENCES.split())
    assert "Three seeds for students and linear models on ETT and nyc_weather, two on Weather" in text
    assert "iTransformer with three seeds on ETT, ModernTCN with two on ETTh1 and ETTh2, all others with one." in text
    for entry in profiles.load("demo+laptop"):
        runs = entry.main()
        for dataset in entry.datasets:
            students = {run.seed for run in runs if run.dataset == dataset and run.model == "mlp"}
            assert len(students) == (2 if dataset == "Weather" else 3)
            for name in ("itransformer", "moderntcn"):
                seeds = {run.seed for run in runs if (run.dataset, run.model) == (dataset, name)}
                three, two = name == "itransformer" and "ETT" in dataset, dataset in ("ETTh1", "ETTh2")
                assert len(seeds) == (3 if three else 2 if two else 1), (dataset, name)


def test_what_is_said_of_the_sizes_of_teachers_is_what_the_profiles_say():
    text, paper, laptop = " ".join(DIFFERENCES.split()), *map(profiles.Profile, ("paper", "laptop"))
    smaller = "on ETTm1, ETTm2 and Weather it has one block and ratio 1, as far as it is trained there."
    assert "iTransformer has its published size everywhere, ModernTCN on ETTh1 and ETTh2; " + smaller in text
    for dataset in laptop.datasets:
        for name in laptop.teachers:
            ours, theirs = (entry.config(dataset, 96, name).settings for entry in (laptop, paper))
            whole = name == "itransformer" or dataset in ("ETTh1", "ETTh2")
            assert (ours == theirs) == whole, (dataset, name)
            assert whole or (ours["blocks"], ours["ratio"]) == (1, 1)
    assert "The other teachers, which are on ETTh1 alone, are smaller than published, and page 07 names every" in text
    differences = tables.deviations_from_published(laptop.versatility()["teachers"])
    others = [run for _, run in laptop.versatility()["teachers"] if run.model not in [*laptop.teachers, "mlp"]]
    assert {run.dataset for run in others} == {"ETTh1"}
    for run in others:
        ours, theirs = (entry.config("ETTh1", 96, run.model).settings for entry in (laptop, paper))
        assert all(ours[size] <= theirs[size] for size in ours) and ours != theirs
        assert all(
            f"{size} {ours[size]}" in differences[models.title(run.model)]
            for size in ours
            if ours[size] != theirs[size]
        )


def test_what_is_said_of_targets_is_what_the_claims_found():
    lecture = " ".join((ROOT / "docs/lecture.md").read_text().split())
    said = "ridge regression teaches, too, and the truth's own moving average does not, neither over 25 steps"
    assert said in lecture
    verdicts = pd.read_csv(ROOT / "results/claims.csv").set_index("claim")["verdict"]
    assert verdicts["target: Ridge"] == "holds"
    assert {verdicts[f"target: truth over {steps} steps"] for steps in (5, 25)} == {"does not hold here"}


def test_what_is_said_of_baselines_that_differ_by_data_set_is_what_the_rows_say():
    text, weights = DIFFERENCES, pd.read_csv(ROOT / "results/tables/05_main.csv")
    ridge = weights.query("dataset == 'Weather' and system == 'Ridge'").set_index("horizon")["parameters"]
    assert f"({ridge[96] / 1e6:.1f} million weights at 96\n  steps, {ridge[720] / 1e6:.1f} million at 720)" in text
    table = pd.read_csv(ROOT / "results/tables/05_defaults.csv")
    wider = table["settings, instead"].str.contains("'relative': True")
    bare = table[~wider]
    assert len(bare) == 9 and (bare["validation MSE"] < bare["validation MSE, instead"]).all()
    change = 100 * (table["test MSE, instead"] / table["test MSE"] - 1)[wider]
    assert f"at 96 steps change by {change.min():.1f} to {change.max():+.1f}%" in " ".join(text.split())


def test_what_is_said_of_how_honest_intervals_are_is_what_page_14_simulates():
    table, text = pd.read_csv(ROOT / "results/tables/14_coverage.csv"), " ".join(README.split())
    table = table[table["blocks"] <= 13]
    assert f"of made-up errors with {table['blocks'].min()} to {table['blocks'].max():.0f} blocks of time" in text
    three, one = table["seeds: 3 [%]"], table.loc[table["blocks"] >= 7, "seeds: 1 [%]"]
    said = f"{three.min():.0f} to {three.max():.0f}% of them hold the truth where there are three seeds, and"
    assert f"{said} {one.min():.0f} to {one.max():.0f}% where there is one and at least 7 blocks (page 14)" in text
    changes = pd.read_csv(ROOT / "results/tables/05_changes.csv").query("dataset != 'all' and low.notna()")
    assert changes["blocks"].min() >= 2 and changes.loc[changes["runs"] == 1, "blocks"].min() >= 6.8


def test_what_is_said_of_the_cost_of_the_paper_is_in_its_table():
    text = " ".join((ROOT / "docs/scaling.md").read_text().split())
    table = pd.read_csv(ROOT / "results/benchmarks/paper_cost.csv", index_col="model")
    whole, longest = table["gpu hours"].sum(), table["longest on gpu"]
    assert f"the main part takes {whole:.0f} hours on 1 GPU" in text
    assert f"(width 512) is {longest['timemixer']:.0f} hours, four times" in text
    assert f"The rest is {whole - 4 * longest['timemixer']:.0f} hours" in text
    assert f"(PatchTST on Traffic is {longest['patchtst']:.1f})" in text
    cores = table["core hours"]
    solar = 4 * longest["timemixer"] / table["gpu hours"]["timemixer"] * cores["timemixer"]  # the same share on both
    assert f"On cores it is {round(cores.sum(), -3):,.0f} hours, seven tenths of them" in text
    assert 0.65 < solar / cores.sum() < 0.75


def test_what_is_said_of_the_floor_is_what_the_ablation_has():
    table = pd.read_csv(ROOT / "results/tables/06_ablation.csv").set_index("variant")["test [%]"]
    bare, summed = table["exact KL"], table["exact KL, summed"]
    text = " ".join(DIFFERENCES.split())
    assert len(bare) == 7 and len(summed) == 7
    assert f"without it errors change by {bare.min():.1f} to {bare.max():+.1f}%" in text
    assert f"as in a textbook, by {summed.min():+.0f} to {summed.max():+.0f}% (page 06)" in text
