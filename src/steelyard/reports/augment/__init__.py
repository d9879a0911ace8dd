"""What `steelyard augment` ends with: its figures as a record, as text, as a page."""
