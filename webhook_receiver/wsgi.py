"""What gunicorn serves: ``webhook_receiver.wsgi:app``."""

from webhook_receiver.app import create_app
from webhook_receiver.preflight import settings_in_force

app = create_app(settings_in_force())
