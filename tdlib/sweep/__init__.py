"""Many independent jobs, in an order, over any executor."""

from tdlib.sweep.jobs import Job, SweepFailed, sweep

__all__ = ["Job", "SweepFailed", "sweep"]
