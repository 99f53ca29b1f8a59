"""The latent diffusion policy of Crosshand: training, export, chunk scheduling, and the policy node."""
