"""Connects a Mininet host to the router, step by step as standard input says. Embedded; run by python3 -c."""

import sys

from mininet.link import Link
from mininet.node import Host, Node

router = Node("router", inNamespace=False)
host = link = None
try:
    for line in sys.stdin:
        said = line.strip()
        try:
            answer = ""
            if said == "host":
                host = Host("mnhost")
                host.cmd("ip link set lo up")
                answer = host.pid
            elif said == "attach":
                link = Link(router, host, intfName1="mn0", intfName2="mn1")
                link.intf1.setIP("10.85.0.1/30")
                link.intf2.setIP("10.85.0.2/30")
                host.setDefaultRoute("via 10.85.0.1")
            elif said == "detach":
                link.delete()
            else:
                raise ValueError("unknown step " + said)
            print("ok", answer, flush=True)
        except Exception as e:  # answered, not raised: who asks counts it
            print(repr(e).replace("\n", " "), flush=True)
finally:
    for node in host, router:
        if node:
            node.terminate()
