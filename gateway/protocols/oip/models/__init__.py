"""What each kind of model takes and gives in tensors, and the RPCs of our own that this stands for."""
