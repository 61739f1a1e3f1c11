"""How the cost of the parallel service grows with images a request, clients and the size of images."""
