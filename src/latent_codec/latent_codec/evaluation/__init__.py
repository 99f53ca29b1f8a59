"""How good a latent space is: Table 5 of XL-VLA, sharedness, and what the hands could do at best.

Everything measures a `LatentSpace`, which a codec bundle and networks in training both are.
"""
