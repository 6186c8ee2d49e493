"""From a model and a question to SQL, and from rows back to objects."""
