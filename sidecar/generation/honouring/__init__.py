"""What of a request a model and its engine can honour: decided before it is sent, and judged when it is answered."""
