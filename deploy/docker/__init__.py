"""How the images are made: see the Dockerfile."""
