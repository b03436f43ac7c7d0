"""Models on devices: diffusion, detection and upscaling behind the protocols of `base`."""

import os

# The only write to the environment. ONNX Runtime reports each process and model to its makers, and
# notes a number for the machine in the home folder, while it is being imported; what its
# `disable_telemetry_events` does afterwards comes too late. Diffusers imports it, too, so it has to
# be said before either is.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
