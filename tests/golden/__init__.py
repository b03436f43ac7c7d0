"""Golden images on the fake engine: exact pixels of every stage, for a fixed run.

Where a change of a stage is meant to change its pixels, write the new values down with

    python -m tests.golden

and look at the difference before you commit it. Models play no part here: what their pictures look
like is tested with thresholds, not with hashes.
"""
