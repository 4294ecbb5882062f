"""A foundation model, or any function of one series, as a model: contexts in, forecasts out, and nothing to train.

    y[b, :, c] = forecast(x[b, :, c])           forecast: contexts [N, L] -> [N, H],  N = B C

What it has forecast it never computes again: the forecasts of a piece, a few hundred contexts, go to a file of their
own, each beside the checksum of its context. So a job that is killed goes on from the last whole piece, and every
later pass over the same windows (validation, test, a teacher's stored outputs, a committee's errors) reads.
It has no hidden layer that a student could be shown: its feature is its own output [B, C, H], less the mean of the
context. Shapes: B batch, L look-back, H horizon, C channels, N contexts.
"""

import contextlib
import hashlib
import io
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from tqdm import tqdm

from tdlib.checks import require
from tdlib.files import remove_unfinished, write_atomically
from tdlib.models.layers import Forecast
from tdlib.windows import Splits

BROKEN = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)  # what reading a damaged .npz raises


class Pretrained(nn.Module):
    """A model of `forecast`, a function from contexts [N, L] to forecasts [N, H], both float32 tensors.

    With `folder` its forecasts are kept there, for this function alone: one that forecasts otherwise needs another
    folder. So it teaches:

        splits = windows.split(data.load("ETTh1"), L, H)
        teacher = Pretrained(forecast, horizon=H, folder="pieces")
        teacher.solve(splits)
        store_outputs(teacher, splits.train, Path("outputs"))
        objective = Distillation(StoredTeacher(Path("outputs")), H, student.feature_width, alpha=2.0, beta=0.0)
        fit(student, objective, splits, ...)

    (from `tdlib.windows`, `data`, `teachers`, `distill` and `train`.) Such a student has no row in a
    store; for one that has, write a `Foundation`, as `fracast` does.
    """

    title = "the teacher"
    piece = 256  # contexts that are computed, and kept, at once

    def __init__(self, forecast: Callable[[Tensor], Tensor], *, horizon: int, folder: str | Path | None = None):
        super().__init__()
        self.forecast, self.feature_width = forecast, horizon
        self.kept = Kept(Path(folder), horizon) if folder else None

    def solve(self, splits: Splits) -> dict[str, float]:
        """There is nothing to fit. Where forecasts are kept, those of all windows are computed, with a progress bar.

        ValueError, which names the window, for forecasts of another shape and for values that are not finite.
        """
        if self.kept is None:
            return {}
        parts = {"training": splits.train, "validation": splits.val, "test": splits.test}
        with tqdm(total=sum(map(len, parts.values())), unit="window", desc=f"forecasts of {self.title}") as bar:
            for name, windows in parts.items():
                for index in torch.arange(len(windows)).split(max(1, self.piece // windows.channels)):
                    self._forecasts(windows.batch(index)[0], index, name)
                    bar.update(len(index))
        return {}

    def forward(self, x: Float[Tensor, "batch lookback channel"]) -> Forecast:
        y = self._forecasts(x, torch.arange(len(x)), "the batch's")  # [B, C, H]
        return Forecast(y.mT, y - x.mean(1)[..., None])

    @torch.no_grad()
    def _forecasts(self, x: Tensor, index: Tensor, of: str) -> Tensor:
        """x [B, L, C] -> [B, C, H]; a message names a window by its `index` [B] and whose it is."""
        contexts = x.mT.flatten(0, 1).split(self.piece)  # of [N, L]
        windows = index.repeat_interleave(x.shape[2]).split(self.piece)
        parts = [self._piece(*part, of) for part in zip(contexts, windows, strict=True)]
        return torch.cat(parts).to(x.device).unflatten(0, (len(x), x.shape[2]))

    def _piece(self, contexts: Tensor, windows: Tensor, of: str) -> Tensor:
        if self.kept is None:
            return self._compute(contexts, windows, of)
        keys = [hashlib.blake2b(row, digest_size=16).digest() for row in contexts.cpu().contiguous().numpy()]
        new = [row for row, key in enumerate(keys) if key not in self.kept]
        if new:
            self.kept.add([keys[row] for row in new], self._compute(contexts[new], windows[new], of).cpu())
        return torch.stack([self.kept[key] for key in keys])

    def _compute(self, contexts: Tensor, windows: Tensor, of: str) -> Tensor:
        with torch.random.fork_rng(devices=[]):  # whoever trains beside it draws the same, kept forecasts or not
            found = self.forecast(contexts.clone())  # which it may change
        wanted = [len(contexts), self.feature_width]
        got = list(found.shape) if isinstance(found, Tensor) else type(found).__name__
        require(got == wanted, f"{self.title} must forecast {wanted} for {of} window {windows[0]}, got {got}")
        broken = windows[~found.isfinite().all(1).cpu()]
        if len(broken):
            raise ValueError(f"{self.title}'s forecast for {of} window {broken[0]} is not finite")
        return found.float()


class Foundation(Pretrained):
    """A pretrained model of the registry, run by a package of its own, which is an extra.

    Its weights are read when they are first needed, and are no part of its state, which is empty. How many they are,
    `size`, and their checksum, `fingerprint`, are in a run's row.
    """

    role = "teacher"
    size: int
    fingerprint: str

    def __init__(self, horizon: int):
        nn.Module.__init__(self)
        self.feature_width, self.kept = horizon, None

    def keep(self, folder: Path) -> None:
        """Keep forecasts below `folder`, apart from those of other weights."""
        own = f"{type(self).__name__.lower()}-{self.fingerprint[:16]}-{self.feature_width}"
        self.kept = Kept(folder / own, self.feature_width)


class Kept:
    """Forecasts [H] by the checksum of their context, in memory and in `folder`: a file a piece, whole or not there.

    What is damaged, or of another horizon, counts as not there. Several processes may add to one folder; each sees
    what was there when it began.
    """

    def __init__(self, folder: Path, horizon: int):
        self.folder, self._rows = folder, {}
        remove_unfinished(folder)
        for path in sorted(folder.glob("*.npz")):
            with contextlib.suppress(*BROKEN), np.load(io.BytesIO(path.read_bytes())) as file:
                keys, forecasts = file["keys"], file["forecasts"]
                if forecasts.shape == (len(keys), horizon):
                    self._rows.update(zip(map(bytes, keys), torch.from_numpy(forecasts), strict=True))

    def __contains__(self, key: bytes) -> bool:
        return key in self._rows

    def __getitem__(self, key: bytes) -> Tensor:
        return self._rows[key]

    def add(self, keys: list[bytes], forecasts: Tensor) -> None:
        """Keep `forecasts` [N, H]. DiskFull where there is no room for them: what was kept before stays."""
        names, file = np.frombuffer(b"".join(keys), np.uint8).reshape(len(keys), -1), io.BytesIO()
        np.savez(file, keys=names, forecasts=forecasts.numpy())
        write_atomically((self.folder / f"{hashlib.blake2b(names, digest_size=16).hexdigest()}.npz", file.getvalue()))
        self._rows.update(zip(keys, forecasts, strict=True))
