"""Tables and indexes of models: their SQL, and how it is applied."""
