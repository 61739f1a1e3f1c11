"""What both services need and `runtime` may not know: images, and ONNX Runtime. Imports neither of the services."""
