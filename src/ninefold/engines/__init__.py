"""Models on devices: diffusion, detection and upscaling behind the protocols of `base`."""
