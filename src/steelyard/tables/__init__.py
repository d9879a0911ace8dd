"""Tables: what is in each image and who, and what a model said of it; reading, writing, joining, checking."""
