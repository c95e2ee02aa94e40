"""How good is the map: accuracy, baselines, calibration, and the report."""
