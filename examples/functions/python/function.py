"""The example function in Python, without packages."""
import http.client
import json
import os
import socket
from urllib.parse import urlsplit

PATIENCE = 2  # seconds, for each server
instance = os.urandom(4).hex()  # made once per environment, outside the handler
invocation = 0


class RedisError(Exception):
    """The names of these types are the errorType that Lambda reports."""


class WhoamiError(Exception):
    pass


def handler(event, context=None):  # a managed runtime gives a context, the bootstrap beside this does not
    global invocation
    invocation += 1
    answer = {"runtime": "python", "instance": instance, "invocation": invocation}
    if redis := event.get("redis") or os.environ.get("REDIS_ADDR"):
        try:
            answer["tenant"] = get(redis, event.get("key") or "tenant")
        except (OSError, ValueError) as e:
            raise RedisError(f"redis {redis}: {e}") from e
    if url := event.get("whoami") or os.environ.get("WHOAMI_URL"):
        try:
            answer["whoami"] = whoami(url)
        except (OSError, ValueError, KeyError, http.client.HTTPException) as e:
            raise WhoamiError(f"whoami {url}: {e}") from e
    return answer


def get(addr, key):
    """Asks Redis in its own protocol, RESP: an array of strings goes out, "$<length>\\r\\n<value>\\r\\n" comes back."""
    host, _, port = addr.rpartition(":")
    name = key.encode()
    with socket.create_connection((host, int(port)), PATIENCE) as s, s.makefile("rb") as reply:
        s.sendall(b"*2\r\n$3\r\nGET\r\n$%d\r\n%s\r\n" % (len(name), name))
        head = reply.readline().decode().rstrip()
        if head == "$-1":
            raise ValueError(f"GET {key}: no such key")
        if not head.startswith("$"):
            raise ValueError(f"GET {key}: {head[1:] or 'connection closed'}")
        return reply.read(int(head[1:])).decode()


def whoami(url):
    u = urlsplit(url)
    server = http.client.HTTPConnection(u.netloc, timeout=PATIENCE)  # a new connection each time, so a new source port
    try:
        server.request("GET", u.path or "/")
        return json.loads(server.getresponse().read())["client"]
    finally:
        server.close()
