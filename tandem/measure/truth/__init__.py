"""Servers of known laws, what they have really sent, and how far a load tester's figures are from that."""
