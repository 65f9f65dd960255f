"""OpenID Connect, on top of allauth's provider, as the servers of companies really speak it."""
