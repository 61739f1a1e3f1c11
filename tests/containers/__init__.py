"""Images, docker-compose.yml, Kubernetes' pods and what they promise, run for real: `make test-containers`, as root."""
