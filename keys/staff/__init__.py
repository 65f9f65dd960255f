"""The API Key Service in Django admin: screens for colleagues, over the same verbs as the portal."""
