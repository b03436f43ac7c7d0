"""AUTOMATIC1111's API over the same jobs and keys: `/sdapi/v1`."""
