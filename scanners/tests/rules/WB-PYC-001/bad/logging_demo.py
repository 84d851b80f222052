"""Settings of loggers that make something else than a logger."""
import logging.config

logging.config.dictConfig({
    "version": 1,
    "handlers": {"console": {"()": "subprocess.Popen", "args": ["sh", "-c", "id"]}},
})
