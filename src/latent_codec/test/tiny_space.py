"""A configuration that trains a latent space in seconds."""

TINY = {
    "name": "tiny",
    "recipe": "crosshand",
    "hands": ["inspire", "xarm_gripper"],
    "latent_dim": 6,
    "steps": 10,
    "warmup_steps": 4,
    "evaluation_poses": 50,
    "settings": {
        "encoder": {"widths": [24]},
        "decoder": {"widths": [24]},
        "batch": 20,
        "anchors": 8,
        "pool": 400,
        "matched": 64,
        "matched_batch": 16,
    },
}
