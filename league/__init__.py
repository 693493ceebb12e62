"""What the three scripts share."""
