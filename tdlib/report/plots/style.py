"""One style for all figures, colours that colour-blind readers can tell apart.

A colour stands for a role on every page: truth black, teacher orange, plain MLP blue, distilled green.
"""

from pathlib import Path

import matplotlib

matplotlib.use("agg")  # figures are saved, then shown as the saved picture
import matplotlib.pyplot as plt
from IPython.display import Image
from matplotlib.figure import Figure

from tdlib.models import role

COLOURS = {"truth": "#000000", "teacher": "#E69F00", "MLP": "#0072B2", "distilled": "#009E73", "linear": "#999999"}
plt.style.use(Path(__file__).with_name("study.mplstyle"))


def colour(system: str) -> str:
    """The colour of a system's role, from its name in tables ("MLP from iTransformer" is distilled)."""
    if " from " in system:
        return COLOURS["distilled"]
    if system in COLOURS:
        return COLOURS[system]
    name = system.lower()
    return COLOURS["linear"] if role(name) == "student" else COLOURS["teacher"]


def save(figure: Figure, name: str, folder: str | Path) -> Image:
    """Write `name`.png and `name`.pdf; returns the picture, to be shown."""
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    figure.savefig(folder / f"{name}.png", metadata={"Software": None})
    plt.close(figure)
    return Image(folder / f"{name}.png")
