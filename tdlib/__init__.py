"""TimeDistill, rebuilt as a study: small models that learn from large forecasters (arXiv 2502.15016)."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from tdlib.service import Forecaster

__all__ = ["Forecaster", "__version__"]
__version__ = "0.1.0"


def __getattr__(name: str) -> object:
    """`tdlib.Forecaster`, imported when it is asked for: torch takes seconds."""
    if name == "Forecaster":
        from tdlib.service import Forecaster

        return Forecaster
    raise AttributeError(f"module 'tdlib' has no attribute {name!r}")
