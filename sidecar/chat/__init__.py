"""Chat: sessions and their messages, what is sent to a model, and the answers that come back."""
