"""The yardstick: accuracy as an analyst would meet it, on real scenes, beside simple tools."""
