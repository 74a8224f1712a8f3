"""What gunicorn serves: ``webhook_receiver.wsgi:app``."""

from webhook_receiver.app import create_app
from webhook_receiver.settings import from_environment
from webhook_receiver.verifiers import VERIFIERS

app = create_app(from_environment(VERIFIERS))
