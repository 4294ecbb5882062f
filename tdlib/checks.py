"""How a wrong value is refused: ValueError with one sentence, made in one place; and what sentences are made of."""

import importlib.util
import re
from collections.abc import Iterable, Sequence


def require(condition: bool, sentence: str) -> None:
    """ValueError with `sentence` unless `condition` holds."""
    if not condition:
        raise ValueError(sentence)


def one_of(name: str, value: object, valid: Iterable[str]) -> None:
    """ValueError, with the valid ones, unless `value` is one of them."""
    require(value in (valid := list(valid)), f"{name} knows {', '.join(map(str, valid))}; got {value!r}")


def as_float(name: str, value: float) -> float:
    """ValueError for a whole number beyond all floats."""
    try:
        return float(value)
    except OverflowError:
        raise ValueError(f"{name} must be finite, and a whole number beyond 1e308 is not") from None


def check_id(id: str) -> None:
    """ValueError unless `id` can be the name of a run: nothing that a path could be made of."""
    named = isinstance(id, str) and re.fullmatch("[0-9a-f]{16}", id)
    require(bool(named), f"a run's id is 16 hexadecimal digits, such as 0f3a5c7e9b1d2846; got {id!r}")


def require_extra(extra: str, *packages: str) -> None:
    """ValueError, with the command that helps, for the first of the `packages` of an extra that is not installed."""
    for package in packages:
        try:
            found = importlib.util.find_spec(package) is not None
        except (ImportError, ValueError):  # kept from being imported
            found = False
        command = f"pip install '.[{extra}]' in the repository"
        require(found, f"this needs {package}, which is not installed: {command}")


def short(value: object) -> str:
    """A cell or a name as Python writes it, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:60]}…{text[-10:]}"


def counted(count: int, what: str) -> str:
    """3 rows, 1 row."""
    return f"{count:,} {what}{'' if count == 1 else 's'}"


def listed(names: Sequence) -> str:
    """Names of columns in a sentence, the first ten of many."""
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    return ", ".join(map(str, names[:10])) + more
