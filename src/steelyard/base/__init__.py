"""What every layer shares: estimates, errors and random streams (numpy only)."""
