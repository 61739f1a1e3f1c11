"""The set-autoregressive image model: a Llama that generates a group of tokens a step, in any number of steps."""
