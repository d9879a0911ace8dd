"""Networks: backbones and their taps, heads, critics, the mask network."""
