"""One function for each thing a person may ask, and the values that are rendered."""
