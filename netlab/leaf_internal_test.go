package netlab

import (
	"os"
	"strings"
	"testing"

	"enilab/internal/netns"
	"enilab/internal/nstest"

	"github.com/vishvananda/netlink"
)

// TestLeafDoesNotForward: whatever the host does.
func TestLeafDoesNotForward(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	n, err := NewLeaf("leaf")
	if err != nil {
		t.Fatal(err)
	}
	defer n.Close()
	for _, value := range []string{"0", "1"} {
		if err := n.NS.Set(netns.Sysctl{Key: "net/ipv4/ip_forward", Value: value}); err != nil {
			t.Fatal(err)
		}
		if is, err := n.forwards(); err != nil || is != (value == "1") {
			t.Errorf("at %s: forwards %v, %v", value, is, err)
		}
		if err := n.NS.Do(n.stopForwarding); err != nil {
			t.Error(err)
		}
		err := n.NS.Do(func() error {
			b, err := os.ReadFile("/proc/sys/net/ipv4/ip_forward")
			if strings.TrimSpace(string(b)) != "0" {
				t.Errorf("it forwards: %s", b)
			}
			return err
		})
		if err != nil {
			t.Error(err)
		}
	}
	if lo, err := n.Link.LinkByName("lo"); err != nil || lo.Attrs().OperState == netlink.OperDown {
		t.Errorf("lo: %+v, %v", lo, err)
	}
}
