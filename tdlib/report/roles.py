"""What a colour stands for in every figure: truth black, teacher orange, plain MLP blue, distilled green.

Colours that colour-blind readers can tell apart; of no drawing library, so that any module may know them.
"""

from pathlib import Path

COLOURS = {"truth": "#000000", "teacher": "#E69F00", "plain": "#0072B2", "distilled": "#009E73", "linear": "#999999"}
DASHES = {"truth": "-", "teacher": "--", "plain": ":", "distilled": "-", "linear": "-."}  # for print in grey
LOOK = Path(__file__).parent / "plots" / "study.mplstyle"  # of all figures
