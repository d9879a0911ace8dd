"""What the model may see: blur, blackout, edges or grey on people and faces."""
