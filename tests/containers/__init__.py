"""Images, docker-compose.yml and what it promises, by real containers: `make test-containers`, as root."""
