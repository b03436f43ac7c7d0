"""C2PA signatures: keys, certificates, time stamps, and what is signed."""
