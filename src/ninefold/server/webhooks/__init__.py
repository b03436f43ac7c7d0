"""Webhooks in the Standard Webhooks form: signed, retried, replayable, to where they may go."""
