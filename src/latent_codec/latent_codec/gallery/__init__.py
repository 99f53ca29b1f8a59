"""Pictures of the latent space: one latent decoded on every hand, and a film of a path through the space."""
