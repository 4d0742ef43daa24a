package nat_test

import (
	"encoding/binary"
	"fmt"
	"net"
	"net/netip"
	"testing"
	"time"

	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/internal/ruleset"
	"enilab/nat"
	"enilab/netlab"
)

// syns sends TCP segments that ask for connections, each once, from ports that nobody has.
func syns(t *testing.T, slot *netlab.Node, from netip.Addr, to netip.AddrPort, count int) {
	t.Helper()
	must(t, slot.NS.Do(func() error {
		c, err := net.DialIP("ip4:tcp", nil, &net.IPAddr{IP: to.Addr().AsSlice()})
		if err != nil {
			return err
		}
		defer c.Close()
		for i := range count {
			if _, err := c.Write(synTo(from, uint16(2000+i), to)); err != nil {
				return err
			}
		}
		return nil
	}))
}

// synTo is a TCP header with the flag SYN (RFC 9293 section 3.1).
func synTo(from netip.Addr, port uint16, to netip.AddrPort) []byte {
	b := make([]byte, 20)
	binary.BigEndian.PutUint16(b[0:], port)
	binary.BigEndian.PutUint16(b[2:], to.Port())
	b[12], b[13] = 5<<4, 2 // five words, SYN
	binary.BigEndian.PutUint16(b[14:], 65535)
	source, target := from.As4(), to.Addr().As4()
	sum := uint32(6 + len(b)) // the pseudo header: protocol and length, then both addresses
	for _, part := range [][]byte{source[:], target[:], b} {
		for i := 0; i < len(part); i += 2 {
			sum += uint32(binary.BigEndian.Uint16(part[i:]))
		}
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	binary.BigEndian.PutUint16(b[16:], ^uint16(sum))
	return b
}

// TestRefusalsAreCounted: what asks for a connection above the capacity is counted by protocol, to the packet; what is
// dropped for another reason is not.
func TestRefusalsAreCounted(t *testing.T) {
	nstest.NoLeaks(t)
	tr := newTrial(t, nat.DefaultPorts, 3, 1)
	slot, address := tr.slots[0], tr.tunnels[0].Address
	tr.open(0, "tcp", webA)
	tr.open(0, "tcp", webB)
	tr.open(0, "udp", data)
	syns(t, slot, address, webA, 4)
	must(t, slot.NS.Do(func() error {
		for range 5 {
			c, err := net.Dial("udp4", webA.String())
			if err != nil {
				return err
			}
			fmt.Fprint(c, "?")
			c.Close()
		}
		c, err := net.DialIP("ip4:icmp", nil, &net.IPAddr{IP: webA.Addr().AsSlice()})
		if err != nil {
			return err
		}
		defer c.Close()
		_, err = c.Write(echoRequest(1)) // is no connection: ENIs carry TCP and UDP
		return err
	}))
	nstest.Eventually(t, 10*time.Second, func() error {
		if u, err := tr.eni.Usage(); err != nil || u.Refused != (nat.Refused{TCP: 4, UDP: 5}) || u.Refused.Total() != 9 || u.Connections != 3 || u.Dropped != 0 {
			return fmt.Errorf("usage %+v, want 3 connections, 4 and 5 refused: %v", u, err)
		}
		return nil
	})

	counts, err := tr.eni.RuleCounts()
	must(t, err)
	count := map[string]ruleset.Count{}
	for _, c := range counts {
		count[c.What+" "+c.Protocol] = c.Count
	}
	for what, want := range map[string]ruleset.Count{
		"refused at the capacity tcp":                         {Packets: 4, Bytes: 4 * 40},
		"refused at the capacity udp":                         {Packets: 5, Bytes: 5 * 29},
		"new connections above the capacity ":                 {Packets: 9, Bytes: 4*40 + 5*29},
		"anything else between slots and VPC ":                {Packets: 1, Bytes: 28},
		"to the ENI itself ":                                  {},
		"new connections asked for udp":                       {Packets: 6, Bytes: 6 * 29},
		"new connections translated to the ENI's address udp": {Packets: 1, Bytes: 29},
	} {
		if got, ok := count[what]; !ok || got != want {
			t.Errorf("%q counted %+v (%t), want %+v", what, got, ok, want)
		}
	}
	if got := count["new connections admitted "].Packets; got != 3 {
		t.Errorf("%d admitted, want 3", got)
	}
}

// What is shown beside a capacity is what that counts: closed connections do not, as long as the kernel remembers them.
func TestUsageCountsAsTheCapacityDoes(t *testing.T) {
	nstest.NoLeaks(t)
	const capacity = 3
	tr := newTrial(t, nat.DefaultPorts, capacity, 1)
	must(t, tr.eni.Node.NS.Set(netns.Sysctl{Key: "net/netfilter/nf_conntrack_tcp_timeout_close", Value: "3600"}))
	usage := func(open, closed int) error {
		u, err := tr.eni.Usage()
		if err == nil && (u.Connections != open || u.Closed != closed || u.Refused.Total() > 0) {
			err = fmt.Errorf("usage %+v, want %d open and %d closed", u, open, closed)
		}
		return err
	}
	for n := range 2 * capacity {
		c, _, _, err := open(tr.slots[0], "tcp4", webA, answerWithin)
		must(t, err)
		must(t, usage(1, n))
		hangUp(c)
		nstest.Eventually(t, 10*time.Second, func() error { return usage(0, n+1) })
	}
}
