"""Senders: one in C++ and one in Python behind the same interface."""
