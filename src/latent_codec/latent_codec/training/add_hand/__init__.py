"""A new hand in a latent space that stays as it is."""
