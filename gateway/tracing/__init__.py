"""A span for each request, made of its log entry after its end, and sent to a collector by OTLP."""
