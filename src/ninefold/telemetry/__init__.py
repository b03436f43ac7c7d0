"""What operators watch: metrics for Prometheus and traces for OpenTelemetry.

Both listen to workers (`ninefold.jobs.telemetry`), so a worker without a server uses them too.
"""
