"""The parts of a study, and the variants of one student in them: a name -> what it changes in the full method."""

from tdlib import channels, rivals
from tdlib.distill import TERMS

PARTS = ("main", "trials", "ablation", "versatility", "lookback", "sensitivity", "patient", "channels", "controls")
APART = ("foundation",)  # parts that nobody gets unasked
ABLATIONS = {  # the variant's name -> what it changes in the full method
    "full": {},
    "w/o scale": {"terms": [term for term in TERMS if not term.startswith("scale")]},
    "w/o coarser scales": {"scales": 0},  # forecasts and features are matched as they are: Hinton's and FitNets' terms
    "w/o period": {"terms": [term for term in TERMS if not term.startswith("period")]},
    "w/o prediction level": {"terms": [term for term in TERMS if not term.endswith("forecast")]},
    "w/o feature level": {"terms": [term for term in TERMS if not term.endswith("feature")]},
    "w/o supervised": {"terms": [term for term in TERMS if term != "supervised"]},
    "scale, prediction only": {"terms": ["supervised", "scale_forecast"]},
    "period, prediction only": {"terms": ["supervised", "period_forecast"]},
    "scale, feature only": {"terms": ["supervised", "scale_feature"]},
    "period, feature only": {"terms": ["supervised", "period_feature"]},
    "exact KL": {"reduction": "mean"},  # no floor under the student's logarithm
    "exact KL, summed": {"reduction": "kl"},  # nor a division by the number of frequencies
    "truth patterns": {"patterns": "truth"},
}

RIVALS = {  # other distillations: page 07 and `rivals` say what they stand for
    "TimeDistill": {},
    "forecasts only (Hinton)": {"terms": ["supervised", "scale_forecast"], "scales": 0},
    "features only (FitNets)": {"terms": ["supervised", "scale_feature"], "scales": 0},
    "CAKD": {"terms": ["supervised", "scale_forecast", *rivals.TERMS], "scales": 0},
    "mean of two teachers": {"weighting": "mean"},
    "adaptive teachers (LightTS)": {"weighting": "adaptive"},
    "truth patterns": {"patterns": "truth"},
}

CHANNELS = {  # the variant's name -> what it changes in the full method
    "TimeDistill": {},
    "TimeDistill + channels": {"terms": [*TERMS, *channels.TERMS]},
    "TimeDistill, alpha 10": {"alpha": 10.0},  # correlations, at most 2 apart, may want more weight than alpha has
    "TimeDistill + channels, alpha 10": {"alpha": 10.0, "terms": [*TERMS, *channels.TERMS]},
    "channels alone": {"terms": ["supervised", *channels.TERMS], "beta": 0.0},
    "channels of the truth": {"terms": ["supervised", *channels.TERMS], "patterns": "truth"},
}
