"""Locale formats: dates in each language, short, and the same on pages and in mails."""
