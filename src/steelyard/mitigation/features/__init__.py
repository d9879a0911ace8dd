"""What a tap says: noise on the embedding, linear erasure."""
