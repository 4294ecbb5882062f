"""What a colour stands for in every figure: truth black, teacher orange, plain MLP blue, distilled green.

The plain MLP with weight decay is light blue.

Colours that colour-blind readers can tell apart; of no drawing library, so that any module may know them.
"""

from pathlib import Path

COLOURS = {
    "truth": "#000000",
    "teacher": "#E69F00",
    "plain": "#0072B2",
    "decayed": "#56B4E9",
    "distilled": "#009E73",
    "linear": "#999999",
}
OTHERS = ["#332288", "#CC6677", "#117733", "#AA4499", "#DDCC77", "#000000"]  # of what has no role: parts of a loss
DASHES = {  # for print in grey
    "truth": "-",
    "teacher": "--",
    "plain": ":",
    "decayed": (0, (3, 1, 1, 1)),
    "distilled": "-",
    "linear": "-.",
}
LOOK = Path(__file__).parent / "plots" / "study.mplstyle"  # of all figures
