package netlab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os/exec"
	"strings"

	"enilab/internal/netns"
	"enilab/internal/ruleset"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"golang.org/x/sys/unix"
)

// Node is a network namespace with the netlink handle bound to it. The handle may be used from any goroutine.
type Node struct {
	Name string // for people: the pin's name and the word in errors
	NS   *netns.NS
	Link netlinksafe.Handle

	requests *requests
	unpin    func() error // nil: not pinned
}

// loopback is the index of lo in every new namespace: the kernel makes it first.
const loopback = 1

// noIPv6 keeps link-local addresses and their duplicate detection (1.5 s) out of the lab, which speaks IPv4 alone.
var noIPv6 = netns.Sysctl{Key: "net/ipv6/conf/default/disable_ipv6", Value: "1"}

// noForwarding is for nodes that say nothing else: a namespace inherits the host's setting, and hosts of containers
// forward. It comes first, because a change resets other settings.
var noForwarding = netns.Sysctl{Key: "net/ipv4/ip_forward", Value: "0"}

// answerARP makes a namespace answer for the addresses of its lo, which is where routers and tunnel endpoints have
// theirs. A namespace inherits the host's settings, and hosts of load balancers (arp_ignore 1) would have it keep silent.
var answerARP = []netns.Sysctl{
	{Key: "net/ipv4/conf/all/arp_ignore", Value: "0"},
	{Key: "net/ipv4/conf/default/arp_ignore", Value: "0"},
}

// NewNode makes a namespace whose lo is up and which holds nothing else. Settings are applied before any link exists,
// so that links made later inherit what is set as default.
func NewNode(name string, settings ...netns.Sysctl) (*Node, error) {
	n := &Node{Name: name}
	var err error
	n.NS, err = netns.NewWith(func() error {
		if err := netns.SetHere(noForwarding); err != nil {
			return err
		}
		if err := netns.SetHere(noIPv6); err != nil && !errors.Is(err, unix.ENOENT) { // a kernel without IPv6 has no such key
			return err
		}
		if err := netns.SetHere(settings...); err != nil {
			return err
		}
		if err := n.dial(); err != nil {
			return err
		}
		if err := n.Request(linkUp(loopback)); err != nil {
			n.Link.Close()
			n.requests.close()
			return fmt.Errorf("lo up: %w", err)
		}
		return nil
	})
	if err != nil {
		return nil, fmt.Errorf("namespace %s: %w", name, err)
	}
	return n, nil
}

// Close lets go of the namespace and takes its pin away; the kernel ends it, and every device in it, some time after its
// last user is gone.
func (n *Node) Close() (err error) {
	if n.unpin != nil {
		err = n.unpin()
		n.unpin = nil
	}
	n.Link.Close()
	n.requests.close()
	return errors.Join(err, n.NS.Close())
}

// Apply commits a whole ruleset at once: all of it or nothing. It may be repeated.
//
// The context's end does not stop it: whoever asked may go away between the kernel's change and the word of it, and rules
// would hold that neither memory nor state knows of.
func (n *Node) Apply(ctx context.Context, rules string) error {
	ctx = context.WithoutCancel(ctx)
	var said bytes.Buffer
	err := n.NS.Do(func() error {
		cmd := exec.CommandContext(ctx, "iptables-restore", "--wait", "10")
		cmd.Stdin, cmd.Stderr, cmd.Stdout = strings.NewReader(rules), &said, &said
		return cmd.Run()
	})
	if err != nil {
		return fmt.Errorf("%s: iptables-restore: %w: %s", n.Name, err, strings.TrimSpace(said.String()))
	}
	return nil
}

// Rules are the rules in force in some tables, with what they have counted. It runs iptables: not for a path that is timed.
func (n *Node) Rules(tables ...string) (rules ruleset.Set, err error) {
	err = n.NS.Do(func() error {
		rules, err = ruleset.Read(tables...)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("%s: %w", n.Name, err)
	}
	return rules, nil
}
