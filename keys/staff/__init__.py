"""Admin screens of the API Key Service, for colleagues, over the same verbs as the portal."""
