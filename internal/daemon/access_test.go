package daemon

import (
	"net"
	"testing"
)

// remote is a connection from an address.
type remote struct {
	net.Conn
	address string
}

func (r remote) RemoteAddr() net.Addr { return r }
func (r remote) Network() string      { return "tcp" }
func (r remote) String() string       { return r.address }

// What requests take counts for who sends them: a user of this machine, another machine, a network that one machine has.
func TestClient(t *testing.T) {
	for _, c := range []struct {
		address string
		user    uint32
		known   bool
		want    string
	}{
		{"127.0.0.1:4000", 1000, true, "user 1000"},
		{"127.0.0.1:4000", 0, false, "127.0.0.1/32"},
		{"192.0.2.7:4000", 0, false, "192.0.2.7/32"},
		{"[::ffff:192.0.2.7]:4000", 0, false, "192.0.2.7/32"},
		{"[2001:db8:1:2:3::4]:4000", 0, false, "2001:db8:1:2::/64"},
		{"[fe80::1%eth0]:4000", 0, false, "fe80::/64"},
		{"@", 0, false, "@"},
	} {
		if got := client(remote{address: c.address}, c.user, c.known); got != c.want {
			t.Errorf("%s, %d, %v: %q, want %q", c.address, c.user, c.known, got, c.want)
		}
	}
}
