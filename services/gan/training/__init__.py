"""Training of the class-conditional GAN and its export to ONNX. Never imported by the server."""
