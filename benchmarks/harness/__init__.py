"""What several benchmarks share: servers, compiled load client and backend, CPU times, figures with their spread."""
