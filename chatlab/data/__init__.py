"""What lies in a data folder, and its formats: JSON files, a journal, a database."""
