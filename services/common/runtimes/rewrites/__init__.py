"""Other forms of a graph that compute the same with faster kernels: exact but for the order of sums."""
