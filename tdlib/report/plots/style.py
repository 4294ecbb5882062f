"""One style for all figures, colours that colour-blind readers can tell apart.

A colour stands for a role on every page: truth black, teacher orange, plain MLP blue, distilled green.
"""

from pathlib import Path

import matplotlib

matplotlib.use("agg")  # figures are saved, then shown as the saved picture
import matplotlib.pyplot as plt
import pandas as pd
from IPython.display import Image
from matplotlib.figure import Figure

COLOURS = {"truth": "#000000", "teacher": "#E69F00", "plain": "#0072B2", "distilled": "#009E73", "linear": "#999999"}
plt.style.use(Path(__file__).with_name("study.mplstyle"))


def colours(runs: pd.DataFrame) -> dict[str, str]:
    """The truth's colour and each system's, by its part (see `rows.with_systems`); students but the MLP are grey."""
    other = (runs["part"] == "plain") & (runs["model"] != "mlp")
    shades = runs["part"].mask(other, "linear").map(COLOURS)
    return {"truth": COLOURS["truth"], **dict(zip(runs["system"], shades, strict=True))}


def save(figure: Figure, name: str, folder: str | Path) -> Image:
    """Write `name`.png and `name`.pdf; returns the picture, to be shown."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    plt.close(figure)
    return Image(folder / f"{name}.png")
