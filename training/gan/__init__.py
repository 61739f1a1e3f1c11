"""The class-conditional GAN: two networks, the game between them, and their export to ONNX."""
