"""One style for all figures: see `roles` for what a colour stands for."""

import io
import itertools
from pathlib import Path

import matplotlib
import PIL.Image

matplotlib.use("agg")  # figures are saved, then shown as the saved picture
import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from IPython.display import Image
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from tdlib.report.roles import COLOURS, DASHES, LOOK

MOST_DOTS = 2.3e6  # of a picture: one of many settings is tall
MOST_BYTES = 300_000  # of its file: a repository keeps every version
SCREEN_DPI = 110  # at which a page shows a figure; the file has more dots, for sharp screens and print
plt.style.use(LOOK)


def colours(runs: pd.DataFrame) -> dict[str, str]:
    """The truth's colour and each system's, by its part (see `rows.with_systems`); students but the MLP are grey."""
    other = (runs["part"] == "plain") & (runs["model"] != "mlp")
    shades = runs["part"].mask(other, "linear").map(COLOURS)
    return {"truth": COLOURS["truth"], **dict(zip(runs["system"], shades, strict=True))}


def role(shade: str) -> str:
    """What a colour of `COLOURS` stands for."""
    return next(name for name, colour in COLOURS.items() if colour == shade)


def line(system: str, colours: dict[str, str]) -> dict[str, str]:
    """Colour, dashes and label of a system's line."""
    return {"color": colours[system], "linestyle": DASHES[role(colours[system])], "label": system}


def legend_beside(axis: Axes) -> None:
    """A panel's legend, at its right; where no panel is there but a free place, no room is made for it."""
    legend = axis.legend(loc="center left", bbox_to_anchor=(1, 0.5))
    legend.set_in_layout(axis.get_subplotspec().is_last_col())


def readable(axis: Axes) -> None:
    """The numbers in a heat map's cells: dark on a light cell, white on a dark one, whichever has more contrast."""
    mesh = axis.collections[0]
    shades = mesh.cmap(mesh.norm(mesh.get_array()))[..., :3]
    linear = np.where(shades <= 0.04045, shades / 12.92, ((shades + 0.055) / 1.055) ** 2.4)
    light = linear @ [0.2126, 0.7152, 0.0722] > 0.18  # where black and white have the same contrast (WCAG)
    for text in axis.texts:
        column, row = (int(place) for place in text.get_position())
        text.set_color("black" if light[row, column] else "white")


def describe(figure: Figure) -> str:
    """The figure in words, for those who do not see it: titles, axes, legend and the names along the axes."""
    axes = [axis for axis in figure.axes if axis.get_label() != "<colorbar>"]
    legends = [legend for axis in axes if (legend := axis.get_legend())]
    names = [text.get_text() for axis in axes for text in axis.get_yticklabels()]
    found = {
        "Titles": [figure.get_suptitle(), *(axis.get_title() for axis in axes)],
        "Horizontal": [figure.get_supxlabel(), *(axis.get_xlabel() for axis in axes)],
        "Vertical": [figure.get_supylabel(), *(axis.get_ylabel() for axis in axes)],
        "Rows": [name for name in names if any(letter.isalpha() for letter in name) and "mathdefault" not in name],
        "Legend": [text.get_text() for legend in legends for text in legend.get_texts()],
    }
    words = {
        what: ", ".join(dict.fromkeys(text.replace("\n", " ") for text in texts if text))
        for what, texts in found.items()
    }
    return ". ".join(f"{what}: {text}" for what, text in words.items() if text) + "."


def save(figure: Figure, name: str, folder: str | Path, *, words: str = "") -> Image:
    """Write `name`.png and `name`.pdf; returns the picture, to be shown.

    Its alternative text is `words`, or what `describe` finds.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figure.savefig(folder / f"{name}.pdf", metadata={"CreationDate": None})
    width, height = figure.get_size_inches()
    dots = min(plt.rcParams["savefig.dpi"], (MOST_DOTS / (width * height)) ** 0.5)  # an inch
    figure.savefig(picture := io.BytesIO(), format="png", dpi=dots)
    drawn = PIL.Image.open(picture).convert("RGB")
    barred = any(axis.get_label() == "<colorbar>" for axis in figure.axes)
    fewer = (drawn.quantize(count) for count in (256, 64))  # colours: a third as large, and less if that is too much
    for kept in itertools.chain([drawn] * barred, fewer):  # colours that stand for numbers are not to shift
        kept.save(folder / f"{name}.png", optimize=True)
        if (folder / f"{name}.png").stat().st_size <= MOST_BYTES:
            break
    words = words or describe(figure)
    plt.close(figure)
    return Image(folder / f"{name}.png", width=round(width * SCREEN_DPI), alt=words)
