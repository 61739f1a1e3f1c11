"""Which request is sent when, decided before anything is sent, and waking up at an instant."""
