"""A forecaster for a series of your own: what `tdlib distill` runs, in Python."""

from tdlib.service.forecaster import Forecaster

__all__ = ["Forecaster"]
