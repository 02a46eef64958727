"""The command ``disolyte``. Consumes everything; nothing imports it."""
