"""The latent diffusion policy of Crosshand: training, export, the policy loop, and the policy node."""
