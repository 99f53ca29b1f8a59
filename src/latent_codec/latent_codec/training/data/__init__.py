"""What latent spaces are trained on: poses, pinches, retargeted poses, latent samples."""
