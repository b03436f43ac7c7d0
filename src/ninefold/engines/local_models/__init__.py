"""The models that people have: found in the folders of other tools, recognised by their headers,
added to a folder of ninefold's own, or fetched from the hub.

`places.py` finds them, `identity.py` and what it asks say what each is, `library.py` gives them
names.
"""
