"""The subject: a chat server made of interchangeable parts. See README.md in this folder."""
