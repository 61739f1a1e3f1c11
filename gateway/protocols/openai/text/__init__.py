"""Completions and chat: from bodies to prompts and sampling parameters, from tokens to choices."""
