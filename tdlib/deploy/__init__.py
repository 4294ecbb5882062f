"""A trained model in service: fused, as one ONNX file, and what it costs."""
