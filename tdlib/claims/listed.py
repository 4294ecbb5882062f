"""The claims: what the paper says, what this study says, and the rows that decide it.

Published differences are negative where ours is better, as in `analysis.compare`. Sources are tables, figures and
theorems of TimeDistill v3, whose figures are in `results/published.csv`.
"""

from collections.abc import Callable

from tdlib import analysis, models, patient
from tdlib.claims import Claim, exact, statistics
from tdlib.claims.evidence import FEWEST_SETTINGS, PAPER

OVER = "mean over settings"
DRAWN = f"at least {FEWEST_SETTINGS} settings; settings and seeds are drawn, not time"
BOTH = "settings and teachers"
PAGE_07 = (
    "of page 07 (each a mean over nyc_weather, in the sizes of demo, and ETTh1, as far as they are there, 96 steps)"
)
ABLATED = f"mean over {BOTH} of the ablation (page 06)"
BEST = "of the distilled MLP whose teacher is best on validation"


def _against_plain(teacher: str, published: float) -> Claim:
    return Claim(
        f"plain, {models.title(teacher)}",
        f"Distilled from {models.title(teacher)} an MLP beats the plain MLP, both at the published rate",
        f"difference between students of one seed, {OVER}",
        lambda evidence: evidence.difference(evidence.distilled(teacher), evidence.plain()),
        published=published,
        source="Table 9",
    )


def _fair(teacher: str) -> Claim:
    return Claim(
        f"plain, fair, {models.title(teacher)}",
        f"Distilled from {models.title(teacher)} an MLP beats the plain MLP, as many trials on validation for each",
        f"difference between students of one seed, settings chosen on validation, {OVER}",
        lambda evidence: evidence.difference(evidence.distilled(teacher, evidence.fair), evidence.plain(evidence.fair)),
    )


def _against_teacher(teacher: str, published: float) -> Claim:
    return Claim(
        f"teacher, {models.title(teacher)}",
        f"Distilled from {models.title(teacher)} an MLP beats its teacher",
        f"difference to the run that it learned from, {OVER}",
        lambda evidence: evidence.difference(evidence.distilled(teacher), evidence.model(teacher)),
        published=published,
        source="Table 9",
    )


def _against_baseline(model: str) -> Claim:
    return Claim(
        models.title(model),
        f"The distilled MLP beats {models.title(model)}, fitted in closed form",
        f"difference {BEST}, {OVER}",
        lambda evidence: evidence.difference(evidence.distilled(), evidence.model(model)),
    )


def _best_of_all(name: str, sentence: str, *, linear: bool, **published) -> Claim:
    return Claim(
        name,
        sentence,
        f"of the {len(PAPER)} data sets, means over four horizons, teacher by validation; ends: where not every "
        "student is there, lost or won",
        lambda evidence: evidence.wins_of_data_sets(linear),
        unit="of 8 data sets",
        side="at least",
        bound=7,
        over="data sets",
        **published,
    )


def _keeps_more(name: str, words: str, statistic: str, nulls: Callable) -> Claim:
    return Claim(
        f"win keep, {name}",
        f"The distilled MLP keeps more of the plain MLP's wins than {words}",
        f"win keep less that of {statistic}, mean over settings and teachers",
        lambda evidence: statistics.kept_beyond(evidence, nulls),
        unit="points",
        side="above",
        over="settings and teachers",
    )


def _part(variant: str, part: str, published: float | None = None) -> Claim:
    return Claim(
        f"part: {part}",
        f"With the {part} of the loss the student is better than without",
        f"difference of the full method to {variant}, students of one seed, {ABLATED}",
        lambda evidence: evidence.difference(
            statistics.variant(evidence, "full"), statistics.variant(evidence, variant)
        ),
        published=published,
        source=Claim.source if published is None else "Table 4, ECL",
        over=BOTH,
    )


def _target(name: str, sentence: str) -> Claim:
    return Claim(
        f"target: {name}",
        sentence,
        f"difference to the MLP that has the truth alone, forecasts alone beside the truth, {OVER} of page 17",
        statistics.control("targets", name, "nothing"),
    )


def _decayed(name: str, sentence: str, ours: str, theirs: str) -> Claim:
    return Claim(
        f"decay: {name}",
        sentence,
        f"difference between students of one seed, {OVER} of page 17's last question",
        statistics.control("decay", ours, theirs),
    )


CLAIMS = [
    _against_plain("itransformer", -10.33),
    _against_plain("moderntcn", -10.88),
    _fair("itransformer"),
    _fair("moderntcn"),
    Claim(
        "plain, decayed",
        "Distilled as published, its teacher chosen on validation, an MLP beats the plain MLP with weight decay",
        f"difference {BEST} to the plain MLP of its seed, otherwise as published, {OVER}",
        lambda evidence: evidence.difference(evidence.distilled(), evidence.decayed),
    ),
    _decayed(
        "on both",
        "With weight decay on both, the distilled MLP beats the plain one",
        "distilled, decay",
        "plain, decay",
    ),
    _decayed("on the distilled", "Weight decay helps the distilled MLP, too", "distilled, decay", "distilled"),
    _against_teacher("itransformer", -8.13),
    _against_teacher("moderntcn", -6.80),
    _against_baseline("ridge"),
    _against_baseline("phase_ridge"),
    Claim(
        analysis.CHOSEN,
        "The distilled MLP beats the baseline that validation chooses",
        f"difference {BEST} to the baseline that is best on validation, {OVER}",
        statistics.strongest,
    ),
    _best_of_all(
        "best of all",
        "The distilled MLP is better than the plain one and every teacher on 7 of 8 data sets",
        linear=False,
        published=7,
        source="Table 1",
    ),
    _best_of_all(
        "best of all, linear maps too",
        "It is the best on 7 of 8 data sets, linear maps among its opponents",
        linear=True,
    ),
    Claim(
        "largest gain",
        "The gain over the plain MLP reaches 18.6% (ETTm2, from ModernTCN)",
        "difference between students of one seed, mean over the four horizons of ETTm2",
        statistics.largest_gain,
        bound=-18.61,
        published=-18.61,
        source="Table 9",
    ),
    Claim(
        "win rate, plain",
        "The plain MLP wins at least as many windows against iTransformer as published",
        f"win rate, horizon 96, ties half, mean over {', '.join(statistics.FIGURE_3)}, as is the published one",
        statistics.published_wins,
        unit="% of windows",
        side="at least",
        bound=50.922,
        published=50.922,
        source="Figure 3",
    ),
    Claim(
        "win keep",
        "Distilled from ModernTCN an MLP keeps at least as many of the plain MLP's wins as published",
        "win keep, horizon 96, mean over data sets; published: of the paper's eight",
        statistics.published_keep,
        unit="% of wins",
        side="at least",
        bound=84.55,
        published=84.55,
        source="Table 5",
        over="data sets",
    ),
    _keeps_more(
        "another seed", "another seed of the plain MLP does", "the plain MLP of another seed", statistics.other_seeds
    ),
    _keeps_more(
        analysis.CHOSEN, "the baseline that validation chooses does", "that baseline", statistics.chosen_baseline
    ),
    _keeps_more(models.title("ridge"), "Ridge, fitted in closed form, does", models.title("ridge"), statistics.ridge),
    _keeps_more(
        "best null",
        "the best of all systems without a teacher, picked on test, does",
        "the baseline, MLP with weight decay or other seed that keeps most of each, which only the test windows tell",
        statistics.all_nulls,
    ),
    Claim(
        "coarse scales",
        "The coarsest scale gains more than the whole error does",
        f"relative gain of the coarsest scale less that of the whole error, {DRAWN}",
        statistics.coarse,
        unit="points",
        side="above",
        source="Figures 4, 8",
    ),
    Claim(
        "periods",
        "Distilled, the period distributions are closer to the truth's",
        f"difference in KL to the plain MLP of the same seed, {DRAWN}",
        lambda evidence: evidence.over_runs(evidence.distilled(), evidence.plain(), statistics.nearer),
        unit="% KL",
        source="Table 12",
    ),
    Claim(
        "periods, null",
        "The period parts of the loss bring them closer",
        f"difference in KL, full method to the one without period parts, {DRAWN}",
        lambda evidence: evidence.over_runs(
            statistics.variant(evidence, "full"), statistics.variant(evidence, "w/o period"), statistics.nearer
        ),
        unit="% KL",
        over=BOTH,
    ),
    _part("w/o period", "period parts", 0.0),
    _part("w/o scale", "scale parts", -2.48),
    _part("w/o coarser scales", "coarser scales"),
    _part("w/o feature level", "feature level", -3.09),
    _part("w/o prediction level", "prediction level", 0.0),
    _part("w/o supervised", "truth beside the teacher", -4.85),
    Claim(
        "teacher alone",
        "Taught by the teacher alone, without the truth, the student still beats the plain MLP",
        f"difference between students of one seed, {ABLATED}",
        lambda evidence: evidence.difference(
            statistics.variant(evidence, "w/o supervised"), statistics.variant(evidence, "plain")
        ),
        published=-4.62,
        source="Table 4, ECL",
        over=BOTH,
    ),
    Claim(
        "truth's patterns",
        "A teacher's forecasts teach more than the truth's own patterns do",
        f"difference, w/o feature level to truth in the teacher's place, as the truth has no features, {ABLATED}",
        lambda evidence: evidence.difference(
            statistics.variant(evidence, "w/o feature level"), statistics.variant(evidence, "truth patterns")
        ),
        over=BOTH,
    ),
    Claim(
        "any teacher",
        "Any teacher helps",
        f"worst difference to the plain MLP over at least four teachers {PAGE_07}; ends are the largest",
        statistics.each("teachers", 4),
        published=-3.24,
        source="Table 9",
        over="teachers",
    ),
    Claim(
        "any teacher, decayed",
        "Any teacher's student beats the plain MLP with weight decay",
        f"worst difference to it over at least four teachers {PAGE_07}; ends are the largest",
        statistics.each("teachers", 4, against="decayed"),
        over="teachers",
    ),
    Claim(
        "any student",
        "TSMixer, LightTS and FITS gain, too",
        f"worst difference to the same student undistilled, all three there, {PAGE_07}; ends are the largest",
        statistics.each("students", 3, "TSMixer", "LightTS", "FITS"),
        published=-3.96,
        source="Table 3",
        over="students",
    ),
    Claim(
        "any look-back",
        "Every look-back gains",
        "worst difference to the plain MLP over look-backs and settings, at least two look-backs; ends are the largest",
        statistics.each_lookback,
        source="Figure 7",
        over="look-backs and settings",
    ),
    Claim(
        "any look-back, decayed",
        "At every look-back the distilled MLP beats the plain MLP with weight decay",
        "worst difference to it over look-backs and settings, at least two look-backs; ends are the largest",
        lambda evidence: statistics.each_lookback(evidence, "decayed"),
        over="look-backs and settings",
    ),
    _target("Ridge", "Another teacher than a Transformer teaches, too: ridge regression"),
    _target("mean of plain MLPs", "Another teacher than a Transformer teaches, too: the mean of plain MLPs"),
    _target(
        "truth over 5 steps",
        "Smoothness alone teaches: the truth's average over 5 steps, which leaves the day in, does",
    ),
    _target("truth over 25 steps", "The truth's average over 25 steps teaches, which takes the day out of hours, too"),
    Claim(
        "patient, published",
        "A patient student of a committee beats the MLP that is distilled as published",
        f"difference to the distilled MLP of the same seed, its teacher the best on validation, {OVER}; page 12",
        lambda evidence: evidence.difference(evidence.patient, evidence.distilled()),
    ),
    Claim(
        "patient, decayed",
        "A patient student of a committee beats the plain MLP with weight decay",
        f"difference to the plain MLP of its seed, {OVER}; page 12",
        lambda evidence: evidence.difference(evidence.patient, evidence.decayed),
    ),
    Claim(
        f"patient, {analysis.CHOSEN}",
        "A patient student of a committee beats the baseline that validation chooses",
        f"difference to the baseline that is best on validation, {OVER}; page 12",
        lambda evidence: evidence.difference(evidence.patient, analysis.strongest(evidence.main)),
    ),
    Claim(
        f"patient, {models.title('ridge')}",
        f"A patient student of a committee beats {models.title('ridge')}, which is in its committee",
        f"difference between the two, {OVER}; page 12",
        lambda evidence: evidence.difference(evidence.patient, evidence.model("ridge")),
    ),
    Claim(
        "patient, committee",
        "A patient student beats the committee that taught it",
        f"difference between the two, {OVER}; page 12",
        lambda evidence: evidence.against_committee(evidence.patient),
    ),
    Claim(
        "patient, halves",
        "It is better if its committee is weighed on halves of training, too, and not on validation alone",
        f"difference between the two, {OVER}; page 12",
        lambda evidence: evidence.difference(evidence.halves, evidence.patient),
    ),
    Claim(
        "patient, halves, unseen",
        "Weighed on halves it is better on data sets, too, whose test errors had not suggested them",
        f"difference between the two, {OVER} of other data sets than {' and '.join(patient.HALVES_FROM)}; page 12b",
        statistics.halves_unseen,
    ),
    Claim(
        "patient, linear",
        "From the same committee the MLP is better than one linear layer",
        f"difference between the two, {OVER}; page 12",
        lambda evidence: evidence.difference(evidence.halves, evidence.linear),
    ),
    Claim(
        "patient, members",
        "Of three patient students the one that validation chooses is on average ahead of each member of its committee",
        "worst of the mean differences to a member, settings of all three students; ends are the largest; "
        "the choice was thought of when their test errors had been read; page 12",
        lambda evidence: evidence.worst(
            ((evidence.patient_choice, evidence.model(name)) for name in patient.MEMBERS), len(patient.MEMBERS)
        ),
        over="members",
    ),
    *exact.CLAIMS,
]

HEADLINES = (  # README's: the paper's main ones, each with its strongest opponent or null; the student to take away
    "plain, iTransformer",
    "plain, ModernTCN",
    "plain, decayed",
    "decay: on both",
    "plain, fair, iTransformer",
    "plain, fair, ModernTCN",
    "teacher, iTransformer",
    "teacher, ModernTCN",
    analysis.CHOSEN,
    models.title("ridge"),
    "best of all",
    "best of all, linear maps too",
    "largest gain",
    "win keep",
    f"win keep, {analysis.CHOSEN}",
    f"win keep, {models.title('ridge')}",
    "part: coarser scales",
    "part: period parts",
    "any teacher",
    "any teacher, decayed",
    "target: Ridge",
    "target: truth over 5 steps",
    "target: truth over 25 steps",
    "patient, published",
    f"patient, {models.title('ridge')}",
    "patient, committee",
    "faster",
    "fewer weights",
    "always fewer weights, here",
)
