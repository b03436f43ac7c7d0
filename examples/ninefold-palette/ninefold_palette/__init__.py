"""Images in the colours of a palette: a stage and an engine for ninefold."""
