"""Multi-timestep multi-stage diffusion features, and which of them are kept."""
