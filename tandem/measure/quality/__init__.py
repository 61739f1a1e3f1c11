"""How good generated images are: the frozen judge, and distances in its feature space. Knows no server."""
