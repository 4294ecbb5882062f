"""How a wrong value is refused: ValueError with one sentence, made in one place."""

from collections.abc import Iterable


def require(condition: bool, sentence: str) -> None:
    """ValueError with `sentence` unless `condition` holds."""
    if not condition:
        raise ValueError(sentence)


def one_of(name: str, value: object, valid: Iterable[str]) -> None:
    """ValueError, with the valid ones, unless `value` is one of them."""
    require(value in (valid := list(valid)), f"{name} knows {', '.join(map(str, valid))}; got {value!r}")
