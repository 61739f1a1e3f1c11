"""How the models of the matched pair, and the judge, are trained and exported. Never imported by a server."""
