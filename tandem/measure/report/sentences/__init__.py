"""Sentences that are made of the figures of documents; no document holds any."""
