"""What every server process is made of. Imports neither torch nor onnxruntime."""
