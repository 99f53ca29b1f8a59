"""The shared latent action space of Crosshand: training, metrics, export, and the codec node."""
