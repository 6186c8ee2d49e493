"""What grows with the work, and what stays the same: time, memory, statements and tasks."""
