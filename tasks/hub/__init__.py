"""Publishing on the Hugging Face Hub."""

from tasks.hub.push import HubError, Pushed, push

__all__ = ["HubError", "Pushed", "push"]
