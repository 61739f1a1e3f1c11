"""Three views of the same images, so that no one kind of features decides alone: a judge's, pixels and gradients."""
