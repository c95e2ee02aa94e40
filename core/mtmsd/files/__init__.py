"""Files written whole or not at all, and the checks of model files."""
