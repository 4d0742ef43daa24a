"""A function for python3.x that has its words from a layer, examples/layers/words."""

import words


def handler(event, context):
    hello = words.HELLO.get(event.get("language"), words.HELLO["en"])
    return f"{hello}, {event.get('name', 'world')}"
