"""Training of latent spaces. The only modules of this package that import torch."""
