"""A bar over seconds of training: which model, which epoch, how long it will still take."""

import contextlib
import logging
import sys
from collections.abc import Iterator

from tqdm import tqdm

from tdlib.service.plan import Plan

AGAIN = 1 / 0.7  # the final training has all rows, the others seven tenths of them


class _Bar(logging.Handler):
    """Goes on by what the plan expects of an epoch, with each that `train.fit` logs."""

    def __init__(self, plan: Plan, bar: tqdm):
        super().__init__()
        self.plan, self.bar, self.model, self.done = plan, bar, "", 0.0

    def begin(self, model: str) -> None:
        """The next model of the plan."""
        self._reach(self.done)
        self.model = model
        self.bar.set_description(model)
        self.done += self.plan.seconds[model]

    def finish(self, model: str) -> None:
        """The last training, of the model that was chosen and of the members that it learns from."""
        self.begin(model)
        self.bar.set_description(f"{model}, on all rows")
        members = [
            name for name, run in self.plan.runs.items() if run in self.plan.runs[model].teacher_configs.values()
        ]
        self._reach(self.done)
        self.bar.total = self.done + AGAIN * sum(self.plan.seconds[name] for name in members)

    def emit(self, record: logging.LogRecord) -> None:
        epoch, epochs, *_ = record.args
        self.bar.set_description(f"{self.model}, epoch {epoch} of at most {epochs}", refresh=False)
        self.bar.update(min(self.plan.seconds[self.model] / epochs, max(0.0, self.done - self.bar.n)))

    def _reach(self, seconds: float) -> None:
        self.bar.update(max(0.0, seconds - self.bar.n))


@contextlib.contextmanager
def progress(plan: Plan) -> Iterator[_Bar]:
    """A bar for the runs of a plan, on standard error where that is a terminal or a notebook's."""
    log = logging.getLogger("tdlib.train")
    level = log.level
    form = "{desc} {percentage:3.0f}%|{bar}| {elapsed}, {remaining} left"
    shown = sys.stderr.isatty() or type(sys.stderr).__module__.startswith("ipykernel")
    how = {} if shown else {"disable": True}  # where it is shown, TQDM_DISABLE still hides it
    with tqdm(total=sum(plan.seconds.values()) * (1 + AGAIN), bar_format=form, leave=False, **how) as bar:
        handler = _Bar(plan, bar)
        log.addHandler(handler)
        log.setLevel(logging.INFO)
        try:
            yield handler
        finally:
            log.removeHandler(handler)
            log.setLevel(level)
