"""What both services need and `runtime` may not know: pictures, and ONNX Runtime. Imports neither of the services."""
