"""How a wrong value is refused: ValueError with one sentence, made in one place."""

import re
from collections.abc import Iterable


def require(condition: bool, sentence: str) -> None:
    """ValueError with `sentence` unless `condition` holds."""
    if not condition:
        raise ValueError(sentence)


def one_of(name: str, value: object, valid: Iterable[str]) -> None:
    """ValueError, with the valid ones, unless `value` is one of them."""
    require(value in (valid := list(valid)), f"{name} knows {', '.join(map(str, valid))}; got {value!r}")


def check_id(id: str) -> None:
    """ValueError unless `id` can be the name of a run: nothing that a path could be made of."""
    named = isinstance(id, str) and re.fullmatch("[0-9a-f]{16}", id)
    require(bool(named), f"a run's id is 16 hexadecimal digits, such as 0f3a5c7e9b1d2846; got {id!r}")
