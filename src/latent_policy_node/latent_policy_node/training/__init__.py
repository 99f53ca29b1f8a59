"""Training of the latent policy; the only part of this package that imports torch."""
