"""The program's faces for people: a chat in the terminal, any method by name, and a doctor."""
