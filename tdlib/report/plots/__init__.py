"""Frames and arrays in, figures out. seaborn takes a second to import: the functions that need it do so."""

from tdlib.report.plots import chance
from tdlib.report.plots.errors import (
    beside_seeds,
    curves,
    dumbbells,
    heat_map,
    intervals,
    points,
    several_intervals,
    weight_grids,
)
from tdlib.report.plots.latency import bubbles
from tdlib.report.plots.matrices import correlations
from tdlib.report.plots.method import pipeline
from tdlib.report.plots.own import bands, coverage
from tdlib.report.plots.series import differences, forecasts, periods, scales, spectrograms, training
from tdlib.report.plots.style import COLOURS, colours, save
from tdlib.report.plots.theory import ratios, shares
from tdlib.report.roles import OTHERS
