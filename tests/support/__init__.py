"""What the tests stand on: servers, databases, hand-made worlds, the pipeline in a room of its own."""
