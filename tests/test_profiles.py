"""The profiles: valid runs, the published settings, and ablations that change what their names say."""

import dataclasses
import functools
import itertools
from pathlib import Path

import pandas as pd
import pytest
import torch

from tdlib import data, models, patient, profiles
from tdlib.config import RunConfig
from tdlib.distill import TERMS
from tdlib.profiles import PARTS, Profile, fair, settings
from tdlib.store import Store

NAMES = ["demo", "laptop", "paper", "smoke"]
every_profile = pytest.mark.parametrize("name", NAMES)


@functools.cache
def runs_of(name: str, part: str, *chosen: str):
    """The `runs` (all or of the chosen parts), `main` or `ablation` of a profile; `paper` has thousands."""
    return getattr(profile_of(name), part)(*chosen)


profile_of = functools.cache(Profile)  # reading one takes longer than listing its runs


WEIGHTS = {  # spec/protocol.md: alpha / beta with a ModernTCN and with an iTransformer teacher
    "ETTh1": ((2, 2), (2, 2)),
    "ETTh2": ((2, 0.5), (1, 0.5)),
    "ETTm1": ((2, 0.1), (1, 1)),
    "ETTm2": ((2, 0.5), (1, 0.1)),
    "Weather": ((0.5, 2), (0.1, 0.1)),
    "ECL": ((0.1, 0.5), (0.1, 0.5)),
    "Solar": ((0.1, 2), (0.1, 1)),
    "Traffic": ((0.1, 0.1), (0.5, 0.5)),
}
ITRANSFORMER = {  # layers, d_model, d_ff, learning rate, batch
    "ETTh1": (2, 256, 256, 1e-4, 32),
    "ETTh2": (2, 128, 128, 1e-4, 32),
    "ETTm1": (2, 128, 128, 1e-4, 32),
    "ETTm2": (2, 128, 128, 1e-4, 32),
    "Weather": (3, 512, 512, 1e-4, 32),
    "ECL": (3, 512, 512, 5e-4, 16),
    "Solar": (2, 512, 512, 5e-4, 32),
    "Traffic": (4, 512, 512, 1e-3, 16),
}
MODERNTCN = {  # ffn ratio, blocks, dropout, head dropout, learning rate, batch, patience
    "ETTh1": (1, 1, 0.3, 0.0, 1e-4, 32, 20),
    "ETTh2": (1, 1, 0.3, 0.0, 1e-4, 32, 20),
    "ETTm1": (8, 3, 0.3, 0.0, 1e-4, 32, 5),
    "ETTm2": (8, 3, 0.3, 0.2, 1e-4, 32, 5),
    "Weather": (8, 1, 0.4, 0.0, 1e-4, 32, 5),
    "ECL": (8, 1, 0.9, 0.0, 1e-4, 32, 5),
    "Solar": (1, 1, 0.1, 0.0, 2.5e-3, 32, 5),
    "Traffic": (8, 1, 0.9, 0.0, 5e-5, 8, 3),
}
STUDENT = {  # epochs, batch, width, norm; where the protocol does not say otherwise, the first line
    None: (100, 32, 512, "mean"),
    "ECL": (30, 32, 512, "mean"),
    "Solar": (30, 32, 512, "mean"),
    "Traffic": (10, 8, 1024, "revin"),
}
LAPTOP = ["ETTh1", "ETTh2", "ETTm1", "ETTm2", "Weather"]
PUBLISHED = [("paper", dataset) for dataset in WEIGHTS] + [("laptop", dataset) for dataset in LAPTOP]
every_published = pytest.mark.parametrize(("name", "dataset"), PUBLISHED)


def test_the_profiles_that_are_there():
    assert profiles.names() == NAMES


@pytest.mark.parametrize("name", ["lap", "", "Demo", "../profiles/demo", "demo.toml"])
def test_an_unknown_profile_is_refused_with_the_valid_ones(name):
    with pytest.raises(ValueError) as caught:
        Profile(name)
    assert str(caught.value) == f"unknown profile {name!r}; known: demo, laptop, paper, smoke"


def test_several_profiles_are_read_as_one_name_joined_by_plus():
    assert [profile.name for profile in profiles.load("demo+laptop")] == ["demo", "laptop"]
    assert [profile.name for profile in profiles.load("smoke")] == ["smoke"]
    for name in ("demo+lap", "demo+", "demo laptop"):
        with pytest.raises(ValueError, match="unknown profile"):
            profiles.load(name)


# --- an own profile

SMOKE = (Path(profiles.__file__).parent / "smoke.toml").read_text()
OWN = "[datasets.synthetic]\n"  # what follows is of the data set


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A profile that is smoke with some text replaced by another."""

    def change(old: str, new: str) -> Profile:
        assert SMOKE.count(old) >= 1
        (tmp_path / "own.toml").write_text(SMOKE.replace(old, new, 1))
        monkeypatch.setattr(settings, "files", lambda _: tmp_path)
        return Profile("own")

    return change


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("lookback = 96", "lookback = ", "Invalid value (at line 2"),
        ("lookback = 96", "", "the profile lacks 'lookback'"),
        ("temperatures", "temperature", "sensitivity lacks 'temperatures'"),
        (OWN, "", "it has no data set, such as [datasets.ETTh1]"),
        (OWN, "[datasets.syntetic]", "unknown data set 'syntetic'; known: nyc_weather, synthetic"),
        (OWN, f"[reproduc]\n{OWN}", "the profile knows lookback, "),
        (
            OWN,
            f"{OWN}weight = {{}}",
            "datasets.synthetic knows seeds, teacher_seeds, weights, committee, trials, mlp, ",
        ),
        (OWN, f"{OWN}lookback = 48", "datasets.synthetic knows seeds, "),
        (OWN, f"{OWN}horizons = [12]", "datasets.synthetic knows seeds, "),
        (OWN, f"{OWN}weights = {{ itransfomer = [1.0, 1.0] }}", "datasets.synthetic.weights knows mlp, "),
        (OWN, f"{OWN}weights = {{ mlp = 2.0 }}", "datasets.synthetic.weights.mlp must be a list of two, got 2.0"),
        (OWN, f"{OWN}weights = {{ mlp = [2.0] }}", "datasets.synthetic.weights.mlp must be a list of two, got [2.0]"),
        (OWN, f"{OWN}teacher_seeds = {{ mlp = 0 }}", "datasets.synthetic.teacher_seeds.mlp knows 1, 2; got 0"),
        (OWN, f"{OWN}trials = {{ rates = [0.1] }}", "datasets.synthetic.trials knows learning_rates, weight_decays, "),
        ("mlp = { epochs", "mpl = { epochs", "models knows mlp, dlinear, "),
        ("mlp = { epochs", "mlp = { epoch", "models.mlp knows settings, learning_rate, batch_size, epochs, "),
        ("seeds = [2021, 2022]", "seeds = 2021", "seeds must be a list that is not empty, got 2021"),
        ("horizons = [24]", "horizons = []", "horizons must be a list that is not empty, got []"),
        ("horizons = [24]", 'horizons = ["24"]', "horizons must be int, got '24'"),
        ('teachers = ["itransformer"', 'teachers = ["itransfomer"', "teachers knows mlp, "),
        ('"CAKD"', '"CAKDD"', "versatility.rivals knows TimeDistill, "),
        (
            "alphas = [1.0]\nseeds = [2021",
            "alphas = [1.0]\nseeds = [7",
            "channels.seeds on synthetic knows 2021, 2022; got 7",
        ),
        ("{ synthetic = [2021] }", "{ synthetic = [7] }", "patient.seeds on synthetic knows 2021, 2022; got 7"),
        ("{ synthetic = [2021] }", "{ syntetic = [2021] }", "patient.seeds knows synthetic; got 'syntetic'"),
        ("[foundation]", "[reproduce]\nparts = ['mian']\n[foundation]", "reproduce.parts knows main, trials, "),
        ("[trials]", "trials = 3\n[others]", "trials must be a table, got 3"),
        ("alphas = [0.1, 1.0]", 'alphas = ["0.1"]', "sensitivity.alphas must be float, got '0.1'"),
    ],
)
def test_a_mistake_in_an_own_profile_is_one_sentence_with_its_file(old, new, words, own):
    with pytest.raises(ValueError) as caught:
        own(old, new)
    assert str(caught.value).startswith(f"own.toml: {words}")


def test_an_own_profile_may_change_any_field_of_a_model_and_leave_out_what_is_optional(own):
    profile = own("mlp = { epochs = 3", "mlp = { weight_decay = 1, epochs = 4")
    run = profile.config("synthetic", 24, "mlp")
    assert (run.weight_decay, run.epochs) == (1.0, 4)
    assert own("seeds = { synthetic = [2021] }", "").patient()


def test_a_data_set_that_a_profile_does_not_have_is_refused_with_its_own():
    words = "^profile laptop has no data set 'ECL'; it has: ETTh1, ETTh2, ETTm1, ETTm2, Weather$"
    with pytest.raises(ValueError, match=words):
        Profile("laptop").config("ECL", 96, "mlp")


# --- the runs


LINEAR = ("sparsetsf", "cyclenet", "fits", "dlinear", "nlinear")


@pytest.mark.parametrize(
    ("name", "main", "ablation"),
    [  # data sets x horizons x (teachers, 4 in closed form, seeds x (plain, each distilled, 5 others)); x 14 x seeds
        ("smoke", 1 * 1 * (2 + 4 + 2 * 8), 1 * 1 * 14 * 1),
        ("demo", 1 * 1 * (2 + 4 + 3 * 8), 1 * 1 * 14 * 1),
        ("laptop", 4 * ((2 * 5 + 2 * 4) + 5 * 4 + 4 * 3 * 8 + (2 + 2 * 8)), 2 * (2 * 14 + 13) * 3),  # the truth's once
        ("paper", 8 * 4 * (8 + 4 + 5 * 14), 8 * 4 * 14 * 5),
    ],
)
def test_the_number_of_runs_and_each_is_there_once(name, main, ablation):
    runs = runs_of(name, "runs")
    assert len(runs_of(name, "main")) == len(set(runs_of(name, "main"))) == main
    ablated = set(runs_of(name, "runs", "ablation"))
    assert len(ablated) == ablation
    if name == "paper":
        all_, text = {*runs}.union(*(run.needed for run in runs)), Path("docs/scaling.md").read_text()
        assert f"bring it to {len(runs):,}, and the members\nof committees to {len(all_):,}." in text
        assert f"Its main table is {main:,} runs" in text
    # the full method is in both, where its students learn from the first teacher
    full = {run for run in runs_of(name, "main") if in_ablation(name, run) and run.teacher_config.seed == 2021}
    assert ablated & set(runs_of(name, "main")) == full
    decayed = runs_of(name, "decayed")
    assert len(decayed) == len(set(decayed) - set(runs_of(name, "main")))
    assert len(runs_of(name, "runs", "main", "ablation")) == main + len(decayed) + ablation - len(full)
    assert set(runs) == {run for part in PARTS for run in runs_of(name, "runs", part)}
    assert len(runs) == len(set(runs))
    named = runs if len(runs) < 1000 else runs[::29]
    assert len({run.id for run in named}) == len(named)


def of_the_first_teacher(name: str) -> set[RunConfig]:
    """The main table's runs, with every student learning from the teacher of the first seed."""
    return {
        dataclasses.replace(run, teacher_options=run.teacher_options | {"seed": 2021}) if run.teacher else run
        for run in runs_of(name, "main")
    }


def in_ablation(name: str, run: RunConfig) -> bool:
    table = profile_of(name).table["ablation"]
    datasets = table.get("others", {}) | {table["teacher"]: table.get("datasets", profile_of(name).datasets)}
    there = run.horizon in table["horizons"] and run.seed in table["seeds"]
    return there and run.dataset in datasets.get(run.teacher, [])


def test_an_unknown_part_is_refused_with_the_known_ones():
    parts = "main, trials, ablation, versatility, lookback, sensitivity, patient, channels, controls, foundation"
    with pytest.raises(ValueError, match=f"part knows {parts}; got 'all'"):
        Profile("smoke").runs("main", "all")


@every_profile
def test_every_run_is_valid_and_comes_back_from_its_dict(name):
    profile = Profile(name)
    assert set(profile.datasets) <= set(data.names())
    for run in runs_of(name, "runs")[::7]:
        assert RunConfig.from_dict(run.to_dict()) == run
        assert run.dataset in profile.datasets
        assert run.horizon in profile.horizons
        assert run.lookback in {profile.table["lookback"], *profile.table["lookback_study"]["lookbacks"]}


@every_profile
def test_every_model_of_a_profile_can_be_built(name):
    kinds = {(run.model, run.lookback, run.horizon, str(run.settings)): run for run in runs_of(name, "runs")}
    with torch.device("meta"):  # shapes without numbers
        for run in kinds.values():
            model = models.build(run.model, lookback=run.lookback, horizon=run.horizon, channels=3, **run.settings)
            assert model.feature_width >= 2**run.scales


@every_profile
def test_the_teacher_of_every_student_is_a_run_of_the_profile(name):
    runs = set(runs_of(name, "runs"))
    students = [run for run in runs if run.teacher]
    for run in students if len(runs) < 1000 else students[::29]:
        assert set(run.teacher_configs.values()) <= runs
    assert set(Profile(name).teachers) <= {run.teacher for run in students}


@every_profile
def test_every_plain_student_of_the_main_table_is_there_with_weight_decay_too(name):
    plain = [run for run in runs_of(name, "main") if run.model == "mlp" and not run.teacher]
    decayed = runs_of(name, "decayed")
    assert [changed(*pair) for pair in zip(plain, decayed, strict=True)] == [{"weight_decay"}] * len(plain)
    assert {run.weight_decay for run in decayed} == {1.0}


@every_profile
def test_the_last_question_of_the_controls_is_with_and_without_a_teacher_and_decay(name):
    profile = Profile(name)
    found = [(run.dataset, run.horizon, run.seed, kind) for kind, run in profile.controls()["decay"]]
    table = profile.table["controls"]
    kinds = ("plain", "distilled", "plain, decay", "distilled, decay")
    places = itertools.product(table["datasets"], profile.horizons, table["seeds"], kinds)
    assert sorted(found) == sorted(places)
    known = set(runs_of(name, "main")) | set(runs_of(name, "decayed"))
    for kind, run in profile.controls()["decay"]:
        assert (kind == "distilled, decay") or run in known


@every_profile
def test_every_setting_has_its_plain_student_teachers_and_linear_baselines(name):
    profile = Profile(name)
    systems = [(run.dataset, run.horizon, run.model, run.teacher) for run in runs_of(name, "main")]
    for dataset in profile.datasets:
        for horizon in profile.horizons:
            students = [("mlp", None), ("mlp", "itransformer"), ("mlp", "moderntcn")]
            for system in [*students, *((name, None) for name in LINEAR)]:
                assert systems.count((dataset, horizon, *system)) == len(profile.seeds(dataset))
            for baseline in ("naive", "seasonal_naive", "ridge", "phase_ridge"):
                assert systems.count((dataset, horizon, baseline, None)) == 1
            for teacher in profile.teachers:
                learned = {
                    run.teacher_config.seed
                    for run in runs_of(name, "main")
                    if (run.dataset, run.horizon, run.teacher) == (dataset, horizon, teacher)
                }
                assert systems.count((dataset, horizon, teacher, None)) == len(learned)


def test_a_student_learns_from_the_teacher_of_its_seed_or_goes_round():
    laptop = Profile("laptop")
    seeds = {
        teacher: {
            run.seed: run.teacher_config.seed
            for run in runs_of("laptop", "main")
            if (run.dataset, run.horizon, run.teacher) == ("ETTh2", 336, teacher)
        }
        for teacher in laptop.teachers
    }
    assert seeds["itransformer"] == {2021: 2021, 2022: 2022, 2023: 2023}
    assert seeds["moderntcn"] == {2021: 2021, 2022: 2022, 2023: 2021}


# --- the fair protocol


@every_profile
def test_plain_and_distilled_student_get_the_same_number_of_trials(name):
    profile = Profile(name)
    for dataset in profile.datasets:
        tried = [run for run in fair.trials(profile) if run.dataset == dataset]
        plain = [run for run in tried if run.teacher is None]
        assert len({run.id for run in tried}) == len(tried)
        taught = {run.teacher for run in tried} - {None}
        assert taught == ({"itransformer", "moderntcn"} if name == "laptop" and "ETTh" in dataset else {"itransformer"})
        for teacher in taught:
            assert len([run for run in tried if run.teacher == teacher]) == len(plain) > 1
        assert {run.horizon for run in tried} == {profile.horizons[0]}
        assert {run.seed for run in tried} == {profile.seeds(dataset)[0]}
        assert all(run.alpha == run.beta for run in tried)
        if name == "laptop":
            assert len(plain) == (16 if dataset.startswith("ETTh") else 6)


def test_runs_aside_from_the_trials_choose_nothing_and_go_beyond_the_largest_weight():
    profile = Profile("laptop")
    aside, trials = fair.aside(profile), fair.trials(profile)
    assert {run.dataset for run in aside} == {"ETTh1", "ETTh2", "ETTm1", "ETTm2"}
    assert all(run.model == "mlp" and run.horizon == 96 for run in aside)
    most = {run.dataset: run.alpha for run in trials}  # the last one's
    taught = [run for run in aside if run.teacher]
    assert {run.dataset for run in taught} == {"ETTh1", "ETTm1"}
    assert all(run.alpha == run.beta > most[run.dataset] for run in taught)
    assert not set(aside) & set(trials)
    assert profile.runs("trials") == trials + aside + fair.defaults(profile)
    errors = pd.DataFrame([{"id": run.id, "val_mse": 1.0 if run in trials else 0.5} for run in trials + aside])
    assert not set(fair.chosen(profile, errors)) & set(aside)


def test_a_baseline_with_settings_of_its_data_set_stands_beside_the_one_without():
    runs = [run for run in fair.defaults(Profile("laptop")) if not run.settings.get("relative")]
    found = {(run.dataset, run.model) for run in runs}
    fine = {(name, model) for name in ("ETTm1", "ETTm2", "Weather") for model in ("phase_ridge", "sparsetsf")}
    assert found == {("Weather", "ridge"), ("ETTm1", "fits"), ("ETTm2", "fits"), *fine}
    own = {run: Profile("laptop").config(run.dataset, 96, run.model) for run in fair.defaults(Profile("laptop"))}
    assert all(run.settings != other.settings and run.horizon == 96 for run, other in own.items())


def test_ridge_stands_beside_itself_with_lower_penalties_on_every_data_set():
    profile = Profile("laptop")
    wider = [run for run in fair.defaults(profile) if run.settings.get("relative")]
    assert [run.dataset for run in wider] == profile.datasets
    for run in wider:
        usual = profile.config(run.dataset, 96, "ridge").settings
        assert run.model == "ridge" and run.settings == usual | {"relative": True}


def test_fair_runs_take_what_validation_chose_and_say_nothing_of_trials_that_are_not_all_there():
    profile = Profile("smoke")
    tried = fair.trials(profile)
    rows = pd.DataFrame([{"id": run.id, "val_mse": 1.0} for run in tried])
    plain, distilled = ([run for run in tried if (run.teacher is None) == alone] for alone in (True, False))
    rows.loc[rows["id"].isin([plain[1].id, distilled[1].id]), "val_mse"] = 0.5
    again = fair.chosen(profile, rows)
    assert [run.teacher for run in again] == [None] * 2 + ["itransformer"] * 2
    assert {(run.learning_rate, run.weight_decay) for run in again[:2]} == {(0.01, 0.1)}
    assert {(run.alpha, run.beta, run.learning_rate) for run in again[2:]} == {(2.0, 2.0, 0.01)}
    assert [run.seed for run in again] == [2021, 2022] * 2
    assert plain[1] in again and distilled[1] in again
    assert [run.teacher for run in fair.chosen(profile, rows[rows["id"] != plain[0].id])] == ["itransformer"] * 2
    assert fair.chosen(profile, rows[:0]) == []


@every_profile
def test_plain_and_distilled_students_differ_in_the_distillation_alone(name):
    profile = Profile(name)
    distillation = {"teacher", "teacher_options", "alpha", "beta"}
    for dataset in profile.datasets:
        plain = profile.config(dataset, profile.horizons[0], "mlp")
        for teacher in profile.teachers:
            assert changed(plain, profile.config(dataset, profile.horizons[0], "mlp", teacher)) <= distillation


def test_the_published_studies_have_enough_seeds_and_all_horizons():
    for name, seeds in (("laptop", 3), ("paper", 5), ("demo", 3)):
        assert len(set(Profile(name).table["seeds"])) == seeds
    assert Profile("laptop").horizons == Profile("paper").horizons == [96, 192, 336, 720]
    assert Profile("paper").datasets == list(WEIGHTS)
    assert Profile("laptop").datasets == LAPTOP


# --- the published settings


def test_ett_h1_of_the_laptop_profile_is_the_published_one():
    profile = Profile("laptop")
    student = profile.config("ETTh1", 96, "mlp", "moderntcn", seed=2022)
    assert (student.lookback, student.horizon, student.seed) == (720, 96, 2022)
    assert (student.alpha, student.beta) == (2.0, 2.0)
    assert student.settings["width"] == 512
    assert (student.learning_rate, student.batch_size, student.epochs, student.patience) == (0.01, 32, 100, 5)
    assert (student.scales, student.temperature, student.downsample, student.terms) == (3, 0.5, "avg", TERMS)
    teacher = student.teacher_config
    assert teacher == profile.config("ETTh1", 96, "moderntcn")
    assert (teacher.learning_rate, teacher.batch_size, teacher.epochs, teacher.patience) == (1e-4, 32, 10, 20)
    transformer = profile.config("ETTh1", 96, "itransformer")
    assert (transformer.settings["width"], transformer.settings["hidden"]) == (256, 256)
    assert (transformer.learning_rate, transformer.epochs, transformer.patience) == (1e-4, 10, 5)


@every_published
def test_alpha_and_beta_are_the_published_ones(name, dataset):
    for teacher, weights in zip(("moderntcn", "itransformer"), WEIGHTS[dataset], strict=True):
        config = Profile(name).config(dataset, 336, "mlp", teacher)
        assert (config.alpha, config.beta) == weights


@every_published
def test_the_itransformer_is_the_published_one(name, dataset):
    run = Profile(name).config(dataset, 192, "itransformer")
    sizes = [run.settings[key] for key in ("layers", "width", "hidden")]
    assert (*sizes, run.learning_rate, run.batch_size) == ITRANSFORMER[dataset]
    assert (run.settings["heads"], run.settings["dropout"], run.epochs, run.patience) == (8, 0.1, 10, 5)


@every_published
def test_the_moderntcn_is_the_published_one(name, dataset):
    run = Profile(name).config(dataset, 192, "moderntcn")
    chosen = [run.settings[key] for key in ("ratio", "blocks", "dropout", "head_dropout")]
    published = MODERNTCN[dataset]
    if name == "laptop" and not dataset.startswith("ETTh"):
        published = (1, 1, *published[2:])  # one block without widening, as the profile says
    assert (*chosen, run.learning_rate, run.batch_size, run.patience) == published
    fixed = [run.settings[key] for key in ("patch", "stride", "large_kernel", "small_kernel", "dim")]
    assert (*fixed, run.epochs) == (8, 4, 51, 5, 64, 10)


@every_published
def test_the_student_is_trained_as_published_with_and_without_a_teacher(name, dataset):
    epochs, batch, width, norm = STUDENT.get(dataset, STUDENT[None])
    for teacher in (None, "itransformer", "moderntcn"):
        run = Profile(name).config(dataset, 720, "mlp", teacher)
        assert (run.epochs, run.batch_size, run.settings["width"], run.settings["norm"]) == (epochs, batch, width, norm)
        assert (run.learning_rate, run.patience, run.settings["average"]) == (0.01, 5, 25)


def test_data_sets_without_published_weights_take_one_and_one():
    config = Profile("demo").config("nyc_weather", 96, "mlp", "itransformer")
    assert (config.alpha, config.beta) == (1.0, 1.0)


def test_changes_go_on_top_of_a_profiles_values():
    config = Profile("laptop").config("ETTh2", 96, "mlp", "itransformer", alpha=0.1, seed=5, epochs=2, scales=1)
    assert (config.alpha, config.beta, config.seed, config.epochs, config.scales) == (0.1, 0.5, 5, 2, 1)
    assert config.teacher_config.epochs == 10
    with pytest.raises(ValueError, match="alpha must not be negative"):
        Profile("laptop").config("ETTh2", 96, "mlp", "itransformer", alpha=-1)


# --- the ablation


def changed(one: RunConfig, other: RunConfig) -> set[str]:
    """The names of the fields in which two runs differ."""
    names = [field.name for field in dataclasses.fields(RunConfig)]
    return {name for name in names if getattr(one, name) != getattr(other, name)}


LEFT_OUT = {  # the parts of the loss that are left out
    "w/o scale": {"scale_forecast", "scale_feature"},
    "w/o period": {"period_forecast", "period_feature"},
    "w/o prediction level": {"scale_forecast", "period_forecast"},
    "w/o feature level": {"scale_feature", "period_feature"},
    "w/o supervised": {"supervised"},
    "scale, prediction only": {"period_forecast", "scale_feature", "period_feature"},
    "period, prediction only": {"scale_forecast", "scale_feature", "period_feature"},
    "scale, feature only": {"scale_forecast", "period_forecast", "period_feature"},
    "period, feature only": {"scale_forecast", "period_forecast", "scale_feature"},
}


@pytest.fixture(params=NAMES)
def ablation(request) -> list[dict[str, RunConfig]]:
    """The variants of each data set, horizon and seed, by name."""
    groups = {}
    for run, variant in runs_of(request.param, "ablation").items():
        group = groups.setdefault((run.dataset, run.horizon, run.seed), {})
        assert variant not in group
        group[variant] = run
    return list(groups.values())


@every_profile
def test_another_teachers_ablation_has_the_same_variants_from_that_teacher(name):
    profile = Profile(name)
    first, *others = profile.ablation_teachers()
    assert set(profile.runs("ablation")) == {run for teacher in (first, *others) for run in profile.ablation(teacher)}
    for teacher in others:
        runs = profile.ablation(teacher)
        assert {run.teacher for run, variant in runs.items() if variant != "truth patterns"} == {teacher}
        places = {(run.dataset, run.horizon) for run in runs}
        assert places <= {(run.dataset, run.horizon) for run in profile.ablation()}
        assert len(runs) == len(places) * len(profiles.ABLATIONS) * len(profile.table["ablation"]["seeds"])
        models_ = {run.model for run in profile.ablation_references(teacher)}
        assert models_ == {"mlp", teacher}
    assert bool(others) == (name == "laptop")


def test_each_group_has_every_variant(ablation):
    for variants in ablation:
        assert list(variants) == list(profiles.ABLATIONS)
        others = {"w/o coarser scales", "exact KL", "exact KL, summed", "truth patterns"}
        assert set(variants) == {"full", *LEFT_OUT, *others}


def test_variants_without_parts_of_the_loss_differ_in_just_these_parts(ablation):
    for variants in ablation:
        assert variants["full"].terms == TERMS
        for name, parts in LEFT_OUT.items():
            assert changed(variants["full"], variants[name]) == {"terms"}
            assert set(TERMS) - set(variants[name].terms) == parts


def test_without_coarser_scales_the_number_of_scales_alone_differs(ablation):
    for variants in ablation:
        assert changed(variants["full"], variants["w/o coarser scales"]) == {"scales"}
        assert variants["full"].scales > variants["w/o coarser scales"].scales == 0


def test_the_exact_kl_differs_in_the_reduction_alone(ablation):
    for variants in ablation:
        names = {"full": "code", "exact KL": "mean", "exact KL, summed": "kl"}
        assert {name: variants[name].reduction for name in names} == names
        assert all(changed(variants["full"], variants[name]) == {"reduction"} for name in names if name != "full")


def test_truth_patterns_differ_in_where_the_patterns_come_from_alone(ablation):
    for variants in ablation:
        full, truth = variants["full"], variants["truth patterns"]
        assert changed(full, truth) == {"patterns", "teacher", "teacher_options", "beta"}
        assert (truth.patterns, truth.teacher, truth.teacher_options, truth.beta) == ("truth", None, {}, 0.0)
        assert truth.alpha == full.alpha > 0


@every_profile
def test_the_full_method_of_the_ablation_is_the_main_tables_student_of_the_first_teacher(name):
    profile = Profile(name)
    full = [run for run, variant in runs_of(name, "ablation").items() if variant == "full"]
    assert set(full) <= of_the_first_teacher(name)
    assert {run.teacher for run in full} == {profile.table["ablation"]["teacher"]}


@every_profile
def test_the_references_of_an_ablation_are_plain_runs_of_the_main_table(name):
    profile = Profile(name)
    references = profile.ablation_references()
    assert set(references) <= set(runs_of(name, "main")) | set(runs_of(name, "decayed"))
    assert len([run for run in references if run.weight_decay]) * 2 == len([r for r in references if r.model == "mlp"])
    assert not any(run.distilled for run in references)
    seeds, settings = set(), set()
    for run in references:
        settings.add((run.dataset, run.horizon, run.model))
        if run.model == "mlp":
            seeds.add(run.seed)
    assert seeds == set(profile.table["ablation"]["seeds"])
    expected = {(run.dataset, run.horizon) for run in runs_of(name, "ablation")}
    models_ = {"mlp", profile.table["ablation"]["teacher"]}
    assert settings == {(*setting, model) for setting in expected for model in models_}


@every_profile
def test_the_last_pair_of_the_student_is_idle_in_half_of_the_runs_that_ask_about_it(name):
    profile = Profile(name)
    runs = [run for _, run in profile.versatility()["affine"]]
    assert len(runs) == len(profile.table["versatility"]["affine"]) * 2 * 2 * len(profile.table["seeds"])
    idle = [run for run in runs if not run.settings["affine"]]
    assert len(idle) == len(runs) / 2
    assert set(runs) - set(idle) <= of_the_first_teacher(name)  # what learns is the student of every other page


# --- the patient student


@pytest.mark.parametrize(("name", "recipe", "pieces"), [("smoke", 1, 0), ("demo", 1, 0), ("laptop", 52, 2 * 3)])
def test_the_recipe_is_everywhere_and_its_pieces_are_removed_in_few_places(name, recipe, pieces):
    variants = list(Profile(name).patient().values())
    assert all(variants.count(variant) == recipe for variant in patient.EVERYWHERE)
    assert set(variants) == set(patient.PIECES if pieces else patient.EVERYWHERE)
    assert all(variants.count(variant) == pieces for variant in set(variants) - set(patient.EVERYWHERE))


def test_a_patient_student_learns_from_members_of_its_seed_or_of_the_teachers_that_belong_to_it():
    profile = Profile("laptop")
    run = profile.patient_student("ETTh2", 336, 2022)
    seeds = {name: member.seed for name, member in run.teacher_configs.items()}
    assert seeds == {"itransformer": 2022, "ridge": 2021, "phase_ridge": 2021, "sparsetsf": 2022, "cyclenet": 2022}
    assert run.teacher_config == profile.config("ETTh2", 336, "itransformer", seed=2022)
    weather = profile.patient_student("Weather", 96, 2021)
    assert list(weather.teacher_configs) == ["ridge", "phase_ridge", "sparsetsf", "cyclenet"]
    assert weather.teacher_configs["ridge"].settings["per_channel"] is True
    assert (weather.epochs, weather.learning_rate, weather.weighting) == (20, 3e-3, "held out")


def test_a_profiles_epochs_of_its_plain_student_are_not_the_recipes():
    run = Profile("demo").patient_student("nyc_weather", 96, 2021)
    assert (run.epochs, run.settings["width"], run.lookback) == (20, 256, 336)


# --- the multivariate pattern


@every_profile
def test_what_channels_are_taught_is_read_against_runs_of_the_main_table_and_differs_in_the_loss_alone(name):
    profile = Profile(name)
    table, variants = profile.table["channels"], runs_of(name, "channels")
    places = len(table.get("datasets", profile.datasets)) * len(table["horizons"])
    count = {variant: list(variants.values()).count(variant) for variant in dict.fromkeys(variants.values())}
    assert set(count) == {*profiles.CHANNELS, "plain", "ridge", "teacher"}
    assert count["ridge"] == places
    for variant in {*profiles.CHANNELS, "plain"}:
        alphas = table["alphas"] if variant.startswith("channels") else [None]
        assert count[variant] == places * len(table["seeds"]) * len(alphas)
    main = set(runs_of(name, "main"))
    by_seed = {}
    for run, variant in variants.items():
        if variant in ("plain", "ridge", "teacher", "TimeDistill"):
            assert run in main
        by_seed.setdefault((run.dataset, run.horizon, run.seed), {})[variant] = run
    for group in by_seed.values():
        if "TimeDistill" in group:
            full, more, strong, both, alone, _ = (group[name] for name in profiles.CHANNELS)
            assert changed(full, more) == changed(strong, both) == {"terms"}
            assert changed(full, strong) == {"alpha"}
            assert set(more.terms) - set(full.terms) == set(both.terms) - set(strong.terms) == {"channel_forecast"}
            assert changed(full, alone) <= {"terms", "alpha", "beta"}
            assert set(alone.weights) == {"supervised", "channel_forecast"}
            assert group["channels of the truth"].teacher is None
            assert changed(alone, group["channels of the truth"]) == {"patterns", "teacher", "teacher_options"}


def test_the_demos_reproduction_does_not_train_what_channels_are_taught():
    profile = Profile("demo")
    assert not [run for run in profile.anew() if "channel_forecast" in run.terms]
    assert len(profile.table["channels"]["seeds"]) == len(Profile("laptop").table["channels"]["seeds"]) == 3


# --- the foundation model


@every_profile
def test_a_foundation_model_its_students_and_their_opponents_are_there_with_every_seed(name):
    profile = Profile(name)
    runs = profile.foundation()
    for dataset in {run.dataset for run in runs}:
        here = {run: system for run, system in runs.items() if run.dataset == dataset}
        systems = list(here.values())
        seeds = len(profile.seeds(dataset))
        assert {system: systems.count(system) for system in systems} == {
            "Fracast": 1,
            "Ridge": 1,
            **dict.fromkeys(["MLP", "MLP from Fracast", "patient MLP of committee"], seeds),
            **dict.fromkeys(["patient MLP of committee with Fracast", "patient MLP of Fracast and Ridge"], seeds),
        }
        by_name = {system: run for run, system in here.items()}
        with_it, alone = (by_name[f"patient MLP of committee{more}"] for more in (" with Fracast", ""))
        assert set(with_it.teacher_configs) - set(alone.teacher_configs) == {"fracast"}
        assert list(by_name["patient MLP of Fracast and Ridge"].teacher_configs) == ["ridge", "fracast"]
        assert by_name["MLP from Fracast"].beta == 0.0
        assert by_name["MLP from Fracast"].teacher_config == by_name["Fracast"]
        assert changed(by_name["MLP"], by_name["MLP from Fracast"]) == {"teacher", "teacher_options", "alpha"}
    assert set(runs) == set(profile.runs("foundation"))


@every_profile
def test_what_the_foundation_part_has_of_its_own_is_trained_only_where_it_is_asked_for(name):
    assert not any("fracast" in (run.model, *run.teacher_configs) for run in runs_of(name, "runs"))


def test_every_row_of_the_store_has_a_part_or_is_said_to_have_none():
    results = Path(__file__).parents[1] / "results"
    store, entries = Store(results), profiles.load("demo+laptop")
    table = profiles.parts(entries, store)
    assert set(table["id"]) == set(store.ids()) and not table.duplicated().any()
    assert set(table["part"]) <= {*profiles.PARTS, *profiles.APART, "fair", "none"}
    assert (table["part"] == "none").mean() < 0.01
    whose = table.groupby("id")["part"].agg(set)
    for entry in entries:
        for part in ("main", "trials"):
            there = {run.id for run in entry.runs(part)} & set(store.ids())
            assert there and all(part in whose[id] for id in there)
    committed = pd.read_csv(results / "parts.csv", dtype=str)
    assert committed.to_numpy().tolist() == table.to_numpy().tolist()  # page 05 writes it
