"""Make webhooks durable, and do nothing else.

A source posts to ``/api/v1/webhooks/<source>/``. The signature is verified over the
bytes as they came, the bytes are committed to ``staging.webhook_deliveries``, then the
source gets its 200. What the bytes mean is the engine's business, later.
"""
