"""Tables: what is written, what is computed, and that the README shows the committed ones."""

import dataclasses
import functools
import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tdlib import rows
from tdlib.config import RunConfig
from tdlib.report import tables

ROOT = Path(__file__).parent.parent.parent
PUBLISHED = ROOT / "results/published.csv"


def runs(**columns) -> pd.DataFrame:
    base = {"dataset": "ETTh1", "lookback": 720, "horizon": 96, "teacher": None, "seed": 1, "test_mae": 0.5}
    return rows.with_systems(pd.DataFrame({**base, "test_period_kl": 1.0, "parameters": 10, **columns}))


MAIN = runs(
    model=["itransformer", "mlp", "mlp", "mlp", "dlinear", "nlinear", "tsmixer"],
    teacher=[None, None, None, "itransformer", None, None, None],
    seed=[1, 1, 2, 1, 1, 1, 1],
    test_mse=[0.5, 0.39, 0.41, 0.3, 0.4, 0.45, 0.1],
    id=list("abcdefg"),
)


def test_by_system_is_the_mean_and_deviation_over_seeds():
    table = tables.by_system(MAIN)
    systems = ["iTransformer", "MLP", "MLP from iTransformer", "DLinear", "NLinear", "TSMixer"]
    assert list(table.index) == [("ETTh1", 96, system) for system in systems]  # as the rows come
    columns = ["MSE", "MAE", "KL", "deviation of MSE", "seeds", "parameters"]
    assert list(table.columns) == columns
    assert table.loc[("ETTh1", 96, "DLinear"), ["MSE", "MAE", "KL", "parameters"]].tolist() == [0.4, 0.5, 1.0, 10]
    mlp = table.loc[("ETTh1", 96, "MLP")]
    assert mlp["MSE"] == pytest.approx(0.4)
    assert mlp["deviation of MSE"] == pytest.approx(np.std([0.39, 0.41], ddof=1))
    assert mlp["seeds"] == 2
    assert np.isnan(table.loc[("ETTh1", 96, "MLP from iTransformer"), "deviation of MSE"])


def test_a_setting_is_a_line_and_four_horizons_have_a_mean_of_the_systems_that_have_all():
    four = runs(horizon=[1, 2, 3, 4, 1, 2, 1], model=["mlp"] * 4 + ["ridge"] * 2 + ["mlp"], seed=[1] * 6 + [2])
    two = runs(horizon=[1, 2], model="mlp", dataset="ETTh2")
    errors = [0.2, 0.3, 0.4, 0.5, 0.15, 0.3, 0.4, 0.6, 0.7]
    table = tables.by_setting(pd.concat([four, two]).assign(test_mse=errors), "test_mse")
    assert list(table.index) == [*(("ETTh1", step) for step in (1, 2, 3, 4, "mean")), ("ETTh2", 1), ("ETTh2", 2)]
    assert table["MLP"].tolist() == pytest.approx([0.3, 0.3, 0.4, 0.5, 0.375, 0.6, 0.7])
    assert table["Ridge"].dropna().to_dict() == {("ETTh1", 1): 0.15, ("ETTh1", 2): 0.3}
    first, second, third, *_ = tables.marked(table, digits=2).splitlines()[2:]
    assert [cell.strip() for cell in first.split("|")[1:-1]] == ["ETTh1", "1", "*0.30*", "**0.15**"]
    assert [cell.strip() for cell in second.split("|")[1:-1]] == ["ETTh1", "2", "**0.30**", "**0.30**"]
    assert [cell.strip() for cell in third.split("|")[1:-1]] == ["ETTh1", "3", "**0.40**", ""]


def test_a_grid_is_a_long_table_made_wide_in_the_order_of_its_lines():
    lines = pd.DataFrame({"place": ["b", "b", "b", "a"], "who": ["y", "x", "x", "x"], "much": [1, 2, 3, 4.0]})
    assert tables.grid(lines, "much", "place", "who", digits=1).to_dict("index") == {
        "b": {"y": "1.0", "x": "2.5"},
        "a": {"y": "", "x": "4.0"},
    }


def test_the_validation_error_stands_beside_the_test_error_where_it_is_known():
    table = tables.by_system(MAIN.assign(val_mse=MAIN["test_mse"] + 1))
    assert table.loc[("ETTh1", 96, "MLP"), "validation MSE"] == pytest.approx(1.4)


def test_runs_that_are_not_there_are_named_by_data_set_and_system():
    wanted = [RunConfig("ETTh1", 720, horizon, "mlp", seed=seed) for horizon in (96, 192) for seed in (1, 2)]
    wanted += [RunConfig("ETTh1", 720, 96, "mlp", teacher="moderntcn")]
    there = pd.DataFrame({"id": [wanted[0].id]})
    table = tables.absent(wanted, there)
    assert table.values.tolist() == [["ETTh1", "MLP", "96, 192", 3], ["ETTh1", "MLP from ModernTCN", "96", 1]]
    assert tables.absent(wanted[:1], there).empty
    decayed = [dataclasses.replace(run, weight_decay=1.0) for run in wanted[:1]]
    assert tables.absent(decayed, there)["system"].tolist() == ["MLP, decay 1"]


def test_peers_are_means_over_four_horizons_ours_beside_published(tmp_path):
    source = "there, mean of 5 seeds"
    lines = [("peers at 720", "ETTh1", "Other", "", "720", h, "MSE", 0.1 * k, "high", source) for k, h in HORIZONS]
    lines += [("main (T1)", "ETTh2", "TimeDistill", "ModernTCN", "720", "mean", "MSE", 0.345, "medium", "paper")]
    lines += [("peers at 720", "ETTh2", "Part", "", "720", "96", "MSE", 0.1, "high", "there")]  # one horizon of four
    lines += [("ablation (T4)", "ETTh2", "Not a peer", "", "720", "mean", "MSE", 0.1, "high", "paper")]
    columns = ["table", "dataset", "model", "teacher", "lookback", "horizon", "metric", "value", "confidence", "source"]
    pd.DataFrame(lines, columns=columns).to_csv(tmp_path / "published.csv", index=False)
    ours = runs(model="mlp", horizon=[96, 192, 336, 720, 96], seed=[1, 1, 1, 1, 2], test_mse=[0.1, 0.2, 0.3, 0.4, 0.3])
    part = runs(model="dlinear", horizon=[96, 192], test_mse=[0.1, 0.2])
    table = tables.peers(pd.concat([ours, part]), tmp_path / "published.csv").set_index("system")
    assert list(table.columns) == ["lookback", "seeds", "source", "confidence", "ETTh1", "ETTh2"]
    assert table["seeds"].to_dict() == {"Other": "5", "TimeDistill from ModernTCN": "", "MLP": "1 to 2"}
    assert set(table.index) == {"Other", "TimeDistill from ModernTCN", "MLP"}
    assert table.loc["Other", "ETTh1"] == pytest.approx(0.25)
    assert table.loc["MLP", "ETTh1"] == pytest.approx((0.2 + 0.2 + 0.3 + 0.4) / 4)
    assert table.loc["MLP", "source"] == "this study"
    assert table.loc["TimeDistill from ModernTCN", "ETTh2"] == 0.345


def test_means_are_ours_in_order_with_the_least_in_bold_and_the_best_published_last():
    four = [96, 192, 336, 720]
    ours = [runs(model="mlp", horizon=four, test_mse=0.5), runs(model="ridge", horizon=four, test_mse=0.4)]
    ours += [runs(model="mlp", horizon=four, test_mse=0.3, dataset="ETTh2", seed=2)]
    ours += [runs(model="dlinear", horizon=four[:2], test_mse=0.1)]  # two horizons have no mean
    table = tables.means(pd.concat(ours), PUBLISHED)
    assert list(table.index[:2]) == ["Ridge", "MLP"] and list(table.columns) == ["seeds", "ETTh1", "ETTh2"]
    assert table.loc["Ridge"].tolist() == ["1", "**0.400**", ""]
    assert table.loc["MLP"].tolist() == ["1", "0.500", "**0.300**"]
    small, any_size = table.iloc[2:]["ETTh1"]
    assert small == any_size == "0.397 (TimeBase)"
    assert list(table.index[2:]) == ["best published, below a million weights", "best published, of any size"]
    assert set(tables.SMALL) <= set(tables.published(PUBLISHED)["model"])
    alone = tables.means(runs(model="mlp", test_mse=[0.5]), PUBLISHED)  # one horizon: nothing to show, no error
    assert list(alone.columns) == ["seeds"]


def test_validation_and_test_disagree_where_signs_differ():
    assert tables.disagree(pd.Series([1.0, -1, 0, 2]), pd.Series([1.0, 2, -1, np.nan])).tolist() == ["", "x", "", ""]


HORIZONS = [(1, "96"), (2, "192"), (3, "336"), (4, "720")]


def test_published_figures_stand_beside_ours_where_there_are_any():
    beside = tables.beside_published(MAIN, PUBLISHED)
    line = beside[(beside["system"] == "iTransformer") & (beside["metric"] == "MSE")].iloc[0]
    assert line["ours"] == pytest.approx(0.5)
    assert line["published"] == pytest.approx(0.396)
    assert set(beside["metric"]) == {"MSE", "MAE"}
    assert set(beside["system"]) <= {"iTransformer", "DLinear"}  # the distilled one: means over four horizons only


def test_published_figures_of_another_look_back_are_others():
    assert tables.beside_published(MAIN.assign(lookback=336), PUBLISHED).empty


def test_a_published_mean_is_compared_once_all_four_horizons_are_there():
    horizons = [96, 192, 336, 720]
    teachers = ["moderntcn"] * 4 + [None] * 4
    four = runs(horizon=horizons * 2, model="mlp", teacher=teachers, test_mse=[0.4, 0.4, 0.4, 0.44, 9, 9, 9, 9])
    beside = tables.beside_published(four, PUBLISHED)
    line = beside[(beside["horizon"] == "mean") & (beside["metric"] == "MSE") & (beside["system"] != "MLP")].iloc[0]
    assert line[["dataset", "system", "source"]].tolist() == ["ETTh1", "MLP from ModernTCN", "TimeDistill v3"]
    assert line["ours"] == pytest.approx(0.41)
    assert line["published"] == pytest.approx(0.429)
    assert tables.beside_published(four[four["horizon"] != 192], PUBLISHED).query("horizon == 'mean'").empty


def test_no_published_figure_is_of_a_student_with_weight_decay():
    four = {"horizon": [96, 192, 336, 720] * 2, "weight_decay": [0.0] * 4 + [1.0] * 4, "test_mse": 0.5}
    assert set(tables.beside_published(runs(model="dlinear", **four), PUBLISHED)["system"]) == {"DLinear"}


def test_two_stores_are_compared_where_both_have_rows():
    fresh = MAIN[MAIN["part"] != "teacher"].assign(test_mse=lambda found: 1.1 * found["test_mse"])
    table = tables.difference(MAIN[MAIN["model"] != "dlinear"], fresh)
    assert list(table.index.get_level_values("system")) == ["MLP", "MLP from iTransformer", "NLinear", "TSMixer"]
    assert table.loc[("ETTh1", 96, "MLP")].to_dict() == pytest.approx(
        {"committed": 0.4, "fresh": 0.44, "difference": 0.1}
    )
    one = fresh[fresh["system"] == "NLinear"]
    other = MAIN.assign(test_mse=MAIN["test_mse"].where(MAIN["id"].isin(one["id"]), 9.0))  # of runs that `one` lacks
    assert tables.difference(other, one)["difference"].tolist() == pytest.approx([0.1])
    with pytest.raises(ValueError, match=r"^the two stores have no run of this profile in common"):
        tables.difference(MAIN, fresh.assign(id="another"))


def variants(*lines: tuple) -> pd.DataFrame:
    """Runs on ETTh1 at 96 steps: (variant, model, seed, test MSE), the same error on validation."""
    runs = pd.DataFrame(lines, columns=["variant", "model", "seed", "test_mse"])
    return runs.assign(dataset="ETTh1", horizon=96, val_mse=runs["test_mse"])


def test_against_a_reference_are_the_means_of_the_seeds_that_both_have():
    runs = variants(("full", "mlp", 1, 1.0), ("full", "mlp", 2, 2.0), ("w/o scale", "mlp", 2, 3.0))
    table = tables.against(runs, "variant", "full").droplevel(["dataset", "horizon"])
    assert table.columns.tolist() == ["MSE", "deviation", "seeds", "test [%]", "validation [%]", "disagree"]
    assert table.loc["w/o scale", ["MSE", "seeds", "test [%]"]].tolist() == pytest.approx([3, 1, 50])
    assert table.loc["full", ["MSE", "deviation", "seeds"]].tolist() == pytest.approx([1.5, np.sqrt(0.5), 2])


@pytest.mark.parametrize(("model", "change"), [("mlp", -10.0), ("ridge", -55.0)])
def test_against_a_reference_all_seeds_count_where_one_is_in_closed_form(model, change):
    full = [("full", "mlp", 1, 1.0), ("full", "mlp", 2, 3.0)]
    table = tables.against(variants(*full, ("x", model, 1, 0.9), ("y", "mlp", 3, 0.5)), "variant", "full")
    table = table.droplevel(["dataset", "horizon"])
    assert table.loc["x", ["validation [%]", "test [%]"]].tolist() == pytest.approx([change, change])
    assert np.isnan(table.loc["y", "test [%]"])  # they share no seed
    assert table.loc["full", "test [%]"] == 0


def test_against_a_reference_of_its_own_setting_and_nothing_where_that_is_not_there():
    lines = [("b", "w/o", 3.0), ("b", "full", 2.0), ("a", "w/o", 3.0), ("a", "full", 4.0), ("c", "w/o", 1.0)]
    runs = pd.DataFrame(lines, columns=["dataset", "variant", "test_mse"])
    runs = runs.assign(horizon=1, seed=1, model="mlp", val_mse=[1.0, 2.0, 1.0, 2.0, 1.0])
    table = tables.against(runs, "variant", "full").droplevel("horizon")
    assert table["test [%]"].dropna().to_dict() == pytest.approx(
        {("b", "w/o"): 50, ("b", "full"): 0, ("a", "w/o"): -25, ("a", "full"): 0}
    )
    assert np.isnan(table.loc[("c", "w/o"), "test [%]"])
    assert table.index[table["disagree"] == "x"].tolist() == [("b", "w/o")]


ENTRIES = [
    ("itransformer", RunConfig("synthetic", 48, 16, "itransformer", settings={"width": 64, "heads": 4}, epochs=3)),
    ("itransformer", RunConfig("synthetic", 48, 16, "mlp")),
    ("width 9", RunConfig("synthetic", 48, 16, "mlp")),
    ("moderntcn", RunConfig("synthetic", 48, 16, "moderntcn")),
]


def test_a_run_is_there_once_for_each_of_its_names_and_a_models_name_is_its_title():
    found = runs(model=["itransformer", "mlp"], id=[ENTRIES[0][1].id, ENTRIES[1][1].id], test_mse=[1.0, 2.0])
    table = tables.named(ENTRIES, found)
    assert table[["name", "system", "test_mse"]].values.tolist() == [
        ["iTransformer", "iTransformer", 1.0],
        ["iTransformer", "MLP", 2.0],
        ["width 9", "MLP", 2.0],
    ]
    assert tables.named([], found).empty
    with pytest.raises(ValueError, match="none of the runs moderntcn is in the store; train"):
        tables.named(ENTRIES[3:], found)


def test_the_missing_runs_of_a_frame_that_was_read_are_named_with_its_command():
    found = runs(model=["mlp"], id=["0"], test_mse=[1.0])
    found.attrs["commands"] = "`this`"
    with pytest.raises(ValueError, match="train what is missing with `this`"):
        tables.named(ENTRIES, found)


def test_side_by_side_a_gain_is_positive_where_the_distilled_student_is_better():
    table = tables.side_by_side(
        runs(
            name=["B", "B", "A", "A", "A", "A"],
            model=["mlp", "mlp", "itransformer", "mlp", "mlp", "mlp"],
            teacher=[None, "itransformer", None, None, "itransformer", None],
            test_mse=[0.2, 0.3, 0.4, 0.4, 0.3, 0.6],
            val_mse=[0.5, 0.4, 0.1, 0.5, 0.4, 0.5],
            seed=[1, 1, 1, 1, 1, 1],
        )
    )
    columns = ["teacher", "plain", "distilled", "gain over plain %", "gain over teacher %", "on validation %"]
    columns += ["deviation, plain", "deviation, distilled", "seeds"]
    assert table.columns.tolist() == [*columns[:6], "disagree", *columns[6:]]
    deviation = np.std([0.4, 0.6], ddof=1)
    assert table.loc["A", columns].tolist() == pytest.approx(
        [0.4, 0.5, 0.3, 40, 25, 20, deviation, np.nan, 1], nan_ok=True
    )
    assert table.loc["B", columns].tolist() == pytest.approx(
        [np.nan, 0.2, 0.3, -50, np.nan, 20, np.nan, np.nan, 1], nan_ok=True
    )
    assert table["disagree"].to_dict() == {"A": "", "B": "x"}
    assert list(table.index) == ["B", "A"]  # as the rows come
    assert table.index.name is table.columns.name is None


@pytest.mark.parametrize("alone", [None, "itransformer"])
def test_side_by_side_is_of_the_seeds_that_both_students_have(alone):
    """A second seed of one of the two says nothing of what is gained."""
    run = functools.partial(runs, name="A", model="mlp", val_mse=0.5)
    both = run(teacher=[None, "itransformer"], seed=1, test_mse=[0.4, 0.3])
    table = tables.side_by_side(pd.concat([both, run(teacher=[alone], seed=2, test_mse=0.8)]))
    found = table.loc["A", ["plain", "distilled", "gain over plain %", "seeds"]].tolist()
    assert found == pytest.approx([0.4, 0.3, 25, 1])


def test_side_by_side_the_student_with_decay_is_another_opponent():
    found = runs(
        name="A",
        model="mlp",
        teacher=[None, None, None, "itransformer"],
        weight_decay=[0.0, 1.0, 1.0, 0.0],
        seed=[1, 1, 2, 1],
        val_mse=0.5,
        test_mse=[0.4, 0.2, 0.9, 0.3],
    )
    table = tables.side_by_side(found)
    columns = ["decayed", "plain", "distilled", "gain over plain %", "gain over decayed %"]
    assert table.columns.tolist()[:5] == columns
    assert table.loc["A", columns].tolist() == pytest.approx([0.2, 0.4, 0.3, 25, -50])


@pytest.mark.parametrize("gone", ["teacher", "plain", "distilled"])
def test_side_by_side_what_is_not_there_is_empty(gone):
    found = runs(
        name="A", model=["itransformer", "mlp", "mlp"], teacher=[None, None, "itransformer"], test_mse=0.5, val_mse=0.5
    )
    table = tables.side_by_side(found[found["part"] != gone])
    if gone == "teacher":  # students of one kind are compared without their teachers
        assert table.columns.tolist()[:3] == ["plain", "distilled", "gain over plain %"]
    else:
        assert table[gone].isna().all()
        assert len(table.columns) == 10


def test_a_teacher_of_another_size_or_training_says_how_it_differs():
    sizes = tables.deviations_from_published(ENTRIES)
    assert sizes.to_dict() == {"iTransformer": "width 64, heads 4, epochs 3", "ModernTCN": "published"}
    assert sizes.name == "size and training"
    micn = RunConfig("ETTh1", 720, 96, "micn", settings={"trend": "mean", "layers": 2})
    assert "trend mean" in tables.deviations_from_published([("micn", micn)])["MICN"]


def test_varied_runs_are_called_after_what_is_varied():
    entries = {"scales": [RunConfig("synthetic", 48, 16, "mlp", "itransformer", scales=scales) for scales in (0, 2)]}
    found = runs(model=["mlp"], id=[entries["scales"][1].id], test_mse=[1.0])
    assert tables.varied(entries, found)["setting"].tolist() == ["scales 2"]


def test_published_figures_are_chosen_by_column():
    chosen = tables.published(PUBLISHED, dataset="ETTh1", model="TimeDistill", horizon="mean", metric="MSE")
    assert 0.429 in chosen["value"].tolist()
    assert set(chosen["dataset"]) == {"ETTh1"}
    numbers = tables.published(PUBLISHED, horizon=96)
    assert set(numbers["horizon"]) == {"96"}


def test_save_writes_csv_in_full_and_the_others_rounded(tmp_path):
    table = pd.DataFrame({"name_1": ["a"], "value": [1 / 3]})
    shown = tables.save(table, "t", tmp_path)
    assert shown["value"].iloc[0] == 0.333
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table)
    assert "0.333 |" in (tmp_path / "t.md").read_text()
    assert r"\begin{tabular}" in (tmp_path / "t.tex").read_text()
    assert r"name\_1" in (tmp_path / "t.tex").read_text()
    tables.save(table, "t", tmp_path, digits=1)
    assert "0.3 |" in (tmp_path / "t.md").read_text()
    assert "0.3 " in (tmp_path / "t.tex").read_text()


def test_save_shows_percentages_to_a_tenth_and_keeps_them_in_full(tmp_path):
    table = pd.DataFrame({"name": ["a", "b"], "gain %": [100 / 3, np.nan], "MSE": [1 / 3, 2.0]})
    shown = tables.save(table, "t", tmp_path)
    assert list(shown["gain %"]) == ["33.3", ""]
    assert list(shown["MSE"]) == [0.333, 2.0]
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table)
    assert (tmp_path / "t.md").read_text().splitlines()[2] == "| a      |     33.3 | 0.333 |"
    assert r"b &  & 2.000 " in (tmp_path / "t.tex").read_text()


def test_a_table_keeps_its_index_and_shows_nothing_where_there_is_no_number(tmp_path):
    table = pd.DataFrame({"value": [1.0, np.nan]}, index=pd.Index(["a", "b"], name="name"))
    tables.save(table, "t", tmp_path / "new/folder")
    text = {suffix: (tmp_path / f"new/folder/t.{suffix}").read_text() for suffix in ("csv", "md", "tex")}
    assert text["csv"] == "name,value\na,1.0\nb,\n"
    assert text["md"].splitlines()[2:] == ["| a      |   1.000 |", "| b      |         |"]
    assert "nan" not in text["tex"].lower()
    assert "a & 1.000" in text["tex"]


def test_text_stays_under_its_name_where_a_filter_has_left_names_unused():
    places = pd.MultiIndex.from_product([["ETTh1", "ETTh2"], ["full", "w/o scale", "truth"]], names=["data", "variant"])
    column = pd.Series(["base", "far", "near", "base", "near", "far"], places, dtype="str")
    kept = column[column.index.get_level_values("variant") != "full"][:-1]
    table = tables.wide(kept, "variant")
    assert list(table) == ["w/o scale", "truth"]
    assert {name: table[name].tolist() for name in table} == {"w/o scale": ["far", "near"], "truth": ["near", ""]}


def test_update_text_replaces_what_stands_between_the_marks(tmp_path):
    (tmp_path / "t.md").write_text("| new |\n")
    readme = tmp_path / "README.md"
    readme.write_text("before\n<!-- table: t -->\n| old |\n<!-- end -->\nafter\n")
    for _ in range(2):
        tables.update_text(readme, tmp_path)
        assert readme.read_text() == "before\n<!-- table: t -->\n| new |\n<!-- end -->\nafter\n"


@pytest.mark.parametrize("name", ["README.md", "docs/scaling.md"])
def test_the_texts_show_the_committed_tables(name, tmp_path):
    text = (ROOT / name).read_text()
    assert re.findall(r"<!-- table: (\S+) -->", text)
    copy = tmp_path / "copy.md"
    copy.write_text(text)
    tables.update_text(copy, ROOT / "results/tables")
    assert copy.read_text() == text


def test_what_is_not_there_is_shown_as_empty_and_stays_empty_in_the_csv(tmp_path):
    table = pd.DataFrame({"some": [0.25, np.nan], "none": np.nan, "all": [1.0, 2.0]})
    shown = tables.save(table, "holes", tmp_path)
    assert shown.to_dict("list") == {"some": ["0.250", ""], "none": ["", ""], "all": [1.0, 2.0]}
    assert (tmp_path / "holes.csv").read_text() == "some,none,all\n0.25,,1.0\n,,2.0\n"
