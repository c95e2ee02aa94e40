"""The diffusion model of a scene: schedule, U-Net, loss, pretraining."""
