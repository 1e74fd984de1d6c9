"""What subscriptions show: each topic's events, from their features into a host's feed."""
