"""MTMSD: hyperspectral classification with multi-timestep multi-stage diffusion features.

Zhou et al., "Exploring Multi-Timestep Multi-Stage Diffusion Features for Hyperspectral
Image Classification", IEEE TGRS 62, 2024, doi 10.1109/TGRS.2024.3407206.
"""

import os

__version__ = "0.1.0"

# OpenMP's threads spin while they wait for each other. On a machine that does something else
# too, as one where QGIS is open does, that made a pretraining step six times slower.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
