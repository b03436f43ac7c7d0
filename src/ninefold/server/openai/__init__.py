"""OpenAI's images API over the same jobs and keys: `/v1/images/generations`,
`/v1/images/edits` and `/v1/images/variations`.

Its `/v1/models` is the service's own, which answers in OpenAI's form, errors too.
"""
