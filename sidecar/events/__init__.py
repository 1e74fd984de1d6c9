"""What a host's channels show: events in order, kept until they have been read."""
