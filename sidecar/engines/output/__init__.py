"""What an engine writes: state lines, and the log lines that count."""
