"""Many pictures in one, with what they were made by: contact sheets and grids."""
