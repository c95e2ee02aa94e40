"""MTMSD: hyperspectral classification with multi-timestep multi-stage diffusion features.

Zhou et al., "Exploring Multi-Timestep Multi-Stage Diffusion Features for Hyperspectral
Image Classification", IEEE TGRS 62, 2024, doi 10.1109/TGRS.2024.3407206.
"""

__version__ = "0.1.0"
