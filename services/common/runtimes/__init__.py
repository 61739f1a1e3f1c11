"""Runtimes behind one interface: the same ONNX file by ONNX Runtime or OpenVINO, and which of them is best here."""
