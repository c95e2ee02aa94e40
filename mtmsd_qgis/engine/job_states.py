"""The states of a job, the same all over the plugin."""

RUNNING = "running"
DONE, FAILED, CANCELED = "done", "failed", "canceled"
"""How a job ends."""
LEFT = "left"
"""It goes on, and nobody follows it any more."""
