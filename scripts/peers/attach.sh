# shellcheck shell=sh
# Connects the namespace $1 as tutorials do. Embedded; run by sh -eu.
ip link add script0 type veth peer name script1
ip link set script1 netns "$1"
ip addr add 10.83.0.1/30 dev script0
ip link set script0 up
ip -n "$1" addr add 10.83.0.2/30 dev script1
ip -n "$1" link set script1 up
ip -n "$1" route add default via 10.83.0.1
