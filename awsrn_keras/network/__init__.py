"""The network: its layers, variants, presets and checkpoints, and its exact fused form."""
