"""The Processing provider and its algorithms; one file per algorithm."""
