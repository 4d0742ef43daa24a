package nat_test

import (
	"fmt"
	"net/netip"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/nat"
)

// TestScanLeavesNoQuestions: a function that tries a whole subnet leaves nothing in the kernel's table of neighbours, which
// all namespaces share: not in its slot, nor in the ENI's namespace, nor in the VPC's. Nor does the ENI's namespace itself.
func TestScanLeavesNoQuestions(t *testing.T) {
	nstest.NoLeaks(t)
	b, v := newBed(t), newVPC(t, "vpc-blue")
	at := newServer(t, v, "10.0.1.20", "server", 80).at(80)
	eni := b.eni(v, nat.ENIConfig{})
	slot, tunnel := b.slot()
	must(t, eni.Bind(tunnel))
	for _, first := range []string{"10.0.1.100", "100.64.1.1"} { // the subnet, and where slots have their addresses
		nstest.Scan(t, slot.NS, netip.MustParseAddr(first))
	}
	nstest.Eventually(t, 10*time.Second, func() error { // those for the subnet are through
		if u, err := eni.Usage(); err != nil || u.Connections < 100 {
			return fmt.Errorf("%d of 100 flows: %v", u.Connections, err)
		}
		return nil
	})
	if _, _, err := ask(slot, "tcp4", at); err != nil {
		t.Fatal(err)
	}
	nstest.AsksNobody(t, eni.Node.NS)
	nstest.Scan(t, eni.Node.NS, netip.MustParseAddr("10.0.1.100"))
	nstest.AsksNobody(t, v.Node.NS)
}
