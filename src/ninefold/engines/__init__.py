"""Models on devices: diffusion, detection and upscaling behind the protocols of `base`."""

import os

# ONNX Runtime would tell its makers of each process and model; read once, as it is first imported,
# which diffusers does, too.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
