package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"time"

	"enilab/internal/netns"
	"enilab/netlab"
)

// customer is what the attached namespaces are to reach: a server in a namespace of its own, behind a router, which is
// the namespace that this process was started in.
type customer struct {
	server   *netlab.Node
	unpin    func() error
	listener net.Listener
}

// serverAddress is not in any of the subnets that peers attach to: who reaches it has a default route.
var serverAddress = netip.MustParseAddrPort("10.80.0.2:80")

func newCustomer(ctx context.Context) (_ *customer, err error) {
	c := new(customer)
	defer func() {
		if err != nil {
			err = errors.Join(err, c.Close())
		}
	}()
	if c.server, err = netlab.NewNode("server"); err != nil {
		return nil, err
	}
	if c.unpin, err = c.server.NS.Pin("server"); err != nil {
		return nil, err
	}
	settings := []netns.Sysctl{{Key: "net/ipv4/ip_forward", Value: "1"}}
	if _, err := os.Stat("/proc/sys/net/ipv6"); err == nil { // its addresses come by themselves, seconds later
		settings = append(settings, netns.Sysctl{Key: "net/ipv6/conf/all/disable_ipv6", Value: "1"}, netns.Sysctl{Key: "net/ipv6/conf/default/disable_ipv6", Value: "1"})
	}
	if err := netns.SetHere(settings...); err != nil {
		return nil, err
	}
	for _, words := range []string{
		"link set lo up",
		"link add server type veth peer name eth0 netns server",
		"addr add 10.80.0.1/24 dev server",
		"link set server up",
		"-n server addr add 10.80.0.2/24 dev eth0",
		"-n server link set eth0 up",
		"-n server route add default via 10.80.0.1",
	} {
		if err := command(ctx, "ip", strings.Fields(words)...); err != nil {
			return nil, err
		}
	}
	if c.listener, err = c.server.NS.Listen(serverAddress); err != nil {
		return nil, err
	}
	go func() {
		for {
			conn, err := c.listener.Accept()
			if err != nil {
				return // closed
			}
			conn.Close()
		}
	}()
	return c, nil
}

// Close ends the server. The kernel ends the wires with its namespace.
func (c *customer) Close() (err error) {
	if c.listener != nil {
		err = c.listener.Close()
	}
	if c.unpin != nil {
		err = errors.Join(err, c.unpin())
	}
	if c.server != nil {
		err = errors.Join(err, c.server.Close())
	}
	return err
}

// reach fails unless a connection from ns to the server succeeds: an attachment that does not carry anything is none.
func (c *customer) reach(ctx context.Context, ns *netns.NS) error {
	ctx, cancel := context.WithTimeout(ctx, 3*time.Second)
	defer cancel()
	err := ns.Do(func() error {
		conn, err := new(net.Dialer).DialContext(ctx, "tcp", serverAddress.String())
		if err != nil {
			return err
		}
		return conn.Close()
	})
	if err != nil {
		return fmt.Errorf("attached, but the server cannot be reached: %w", err)
	}
	return nil
}

// room is an empty namespace with a name, as it waits in a pool: its lo is up.
type room struct {
	*netlab.Node
	path  string // of its pin
	unpin func() error
}

func newRoom(name string) (*room, error) {
	node, err := netlab.NewNode(name)
	if err != nil {
		return nil, err
	}
	unpin, err := node.NS.Pin(name)
	if err != nil {
		return nil, errors.Join(err, node.Close())
	}
	return &room{node, netns.PinDir + "/" + name, unpin}, nil
}

// Close lets go of the namespace; what is still in it keeps it.
func (r *room) Close() error { return errors.Join(r.unpin(), r.Node.Close()) }

// command runs a program to its end. Its words are in the error if it fails.
func command(ctx context.Context, program string, args ...string) error {
	return check(exec.CommandContext(ctx, program, args...))
}

func check(cmd *exec.Cmd) error {
	said, err := cmd.CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", strings.Join(cmd.Args, " "), err, strings.TrimSpace(string(said)))
	}
	return nil
}

// firstLine is what program prints when asked for its version.
func firstLine(ctx context.Context, program string, args ...string) (string, error) {
	path, err := exec.LookPath(program)
	if err != nil {
		return "", err
	}
	out, err := exec.CommandContext(ctx, path, args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", path, err, out)
	}
	line, _, _ := strings.Cut(string(out), "\n")
	return strings.TrimSpace(line), nil
}
