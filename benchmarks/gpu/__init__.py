"""The first hour on a GPU: a plan of steps, what carries each out, and what keeps one failure from hiding the rest."""
