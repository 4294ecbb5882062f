"""Tables: what is written, what is computed, and that the README shows the committed ones."""

import re
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tdlib import models
from tdlib.report import tables

ROOT = Path(__file__).parent.parent


def runs(**columns) -> pd.DataFrame:
    base = {"dataset": "ETTh1", "horizon": 96, "teacher": None, "seed": 1, "test_mae": 0.5, "test_period_kl": 1.0,
            "parameters": 10}  # fmt: skip
    return pd.DataFrame({**base, **columns})


MAIN = runs(
    model=["itransformer", "mlp", "mlp", "mlp", "dlinear"],
    teacher=[None, None, None, "itransformer", None],
    seed=[1, 1, 2, 1, 1],
    test_mse=[0.5, 0.39, 0.41, 0.3, 0.4],
)


def test_every_model_has_a_name_for_tables():
    assert set(tables.NAMES) == set(models.names())


def test_by_system_is_the_mean_and_deviation_over_seeds():
    table = tables.by_system(MAIN)
    mlp = table.loc[("ETTh1", 96, "MLP")]
    assert mlp["MSE"] == pytest.approx(0.4)
    assert mlp["deviation of MSE"] == pytest.approx(np.std([0.39, 0.41], ddof=1))
    assert mlp["seeds"] == 2
    assert np.isnan(table.loc[("ETTh1", 96, "MLP from iTransformer"), "deviation of MSE"])


def test_gains_are_percent_against_plain_teacher_and_linear():
    line = tables.gains(tables.by_system(MAIN)).loc[("ETTh1", 96, "MLP from iTransformer")]
    assert line["against plain"] == pytest.approx(-25)
    assert line["against teacher"] == pytest.approx(-40)
    assert line["against best linear"] == pytest.approx(-25)


def test_published_figures_stand_beside_ours_where_there_are_any():
    beside = tables.beside_published(tables.by_system(MAIN), ROOT / "results/published.csv")
    line = beside[(beside["system"] == "iTransformer") & (beside["metric"] == "MSE")].iloc[0]
    assert line["ours"] == pytest.approx(0.5)
    assert line["published"] == pytest.approx(0.396)
    assert "MLP from iTransformer" not in set(beside["system"])  # published as a mean over four horizons only


def test_a_published_mean_is_compared_once_all_four_horizons_are_there():
    horizons = [96, 192, 336, 720]
    four = runs(horizon=horizons, model="mlp", teacher="moderntcn", test_mse=[0.4, 0.4, 0.4, 0.44])
    beside = tables.beside_published(tables.by_system(four), ROOT / "results/published.csv")
    line = beside[(beside["horizon"] == "mean") & (beside["metric"] == "MSE")].iloc[0]
    assert line["ours"] == pytest.approx(0.41)
    assert line["published"] == pytest.approx(0.429)


def test_relative_to_full_is_percent_of_the_full_method():
    ablation = pd.DataFrame(
        {"dataset": "a", "horizon": 1, "variant": ["full", "full", "w/o scale"], "MSE": [1, 3, 3.0]}
    )
    table = tables.relative_to_full(ablation)
    assert table.loc[("a", 1, "w/o scale"), "% against full"] == pytest.approx(50)
    assert table.loc[("a", 1, "full"), "% against full"] == 0


def test_select_names_what_is_there():
    assert len(tables.select(MAIN, dataset="ETTh1", horizon=96)) == 5
    with pytest.raises(ValueError, match="no run has horizon 7 here; there is: 96"):
        tables.select(MAIN, dataset="ETTh1", horizon=7)
    with pytest.raises(ValueError, match="trains what is missing"):
        tables.select(pd.DataFrame(), dataset="ETTh1")


def test_save_writes_csv_in_full_and_the_others_rounded(tmp_path):
    table = pd.DataFrame({"name_1": ["a"], "value": [1 / 3]})
    shown = tables.save(table, "t", tmp_path)
    assert shown["value"].iloc[0] == 0.333
    pd.testing.assert_frame_equal(pd.read_csv(tmp_path / "t.csv"), table)
    assert "0.333 |" in (tmp_path / "t.md").read_text()
    assert r"\begin{tabular}" in (tmp_path / "t.tex").read_text()
    assert r"name\_1" in (tmp_path / "t.tex").read_text()


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
