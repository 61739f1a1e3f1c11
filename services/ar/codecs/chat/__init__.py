"""Conversations as tokens, where a content cannot pass for a control token."""
