"""Plain requests for images, answered without a coroutine each: read, and replied to, many at a time in C++."""
