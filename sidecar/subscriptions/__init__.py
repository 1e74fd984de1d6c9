"""What subscriptions show: each topic's events, from the features that have them into a host's feed."""
