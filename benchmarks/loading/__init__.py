"""What it takes to load a language model: memory and time, beside its file and llama.cpp."""
