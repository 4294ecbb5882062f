"""TimeDistill, rebuilt as a study: small models that learn from large forecasters (arXiv 2502.15016)."""

__version__ = "0.1.0"
