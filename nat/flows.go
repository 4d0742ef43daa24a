package nat

import (
	"cmp"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"slices"
	"strconv"
	"strings"

	"enilab/internal/ruleset"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// Flow is one connection through an ENI, as connection tracking knows it.
type Flow struct {
	Protocol string         // "tcp" or "udp"
	State    string         // of TCP, such as "ESTABLISHED"; empty otherwise
	Source   netip.AddrPort // in the Lambda VPC, what the function sees
	ENI      netip.AddrPort // what the target sees
	Target   netip.AddrPort
}

func (f Flow) String() string {
	return fmt.Sprintf("%s %s → %s → %s", f.Protocol, f.Source, f.ENI, f.Target)
}

// IsOpen tells whether a connection counts toward the ENI's capacity: a closed one of TCP, which the kernel remembers for two
// minutes, does not (already_closed in net/netfilter/nf_conncount.c).
func (f Flow) IsOpen() bool { return f.State != "TIME_WAIT" && f.State != "CLOSE" }

// tcpStates are the kernel's names, in order (enum tcp_conntrack, include/uapi/linux/netfilter/nf_conntrack_tcp.h).
var tcpStates = []string{"NONE", "SYN_SENT", "SYN_RECV", "ESTABLISHED", "FIN_WAIT", "CLOSE_WAIT", "LAST_ACK", "TIME_WAIT", "CLOSE", "SYN_SENT2"}

// Flows lists the ENI's connections, ordered by source.
func (e *ENI) Flows() ([]Flow, error) {
	table, err := e.conntrack()
	if err != nil {
		return nil, err
	}
	flows := make([]Flow, 0, len(table))
	for _, c := range table {
		f := Flow{
			Source: addrPort(c.Forward.SrcIP, c.Forward.SrcPort),
			Target: addrPort(c.Forward.DstIP, c.Forward.DstPort),
			ENI:    addrPort(c.Reverse.DstIP, c.Reverse.DstPort),
		}
		switch c.Forward.Protocol {
		case unix.IPPROTO_TCP:
			f.Protocol = "tcp"
			if info, ok := c.ProtoInfo.(*netlink.ProtoInfoTCP); ok && int(info.State) < len(tcpStates) {
				f.State = tcpStates[info.State]
			}
		case unix.IPPROTO_UDP:
			f.Protocol = "udp"
		default:
			f.Protocol = strconv.Itoa(int(c.Forward.Protocol))
		}
		flows = append(flows, f)
	}
	slices.SortFunc(flows, func(a, b Flow) int {
		return cmp.Or(a.Source.Compare(b.Source), a.Target.Compare(b.Target), cmp.Compare(a.Protocol, b.Protocol))
	})
	return flows, nil
}

// conntrack dumps the table, again if the kernel says that the table changed meanwhile.
func (e *ENI) conntrack() (table []*netlink.ConntrackFlow, err error) {
	for range 5 {
		table, err = e.conns.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
		if !errors.Is(err, netlink.ErrDumpInterrupted) && !errors.Is(err, unix.EINTR) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("eni %s: list connections: %w", e.Node.Name, err)
	}
	return table, nil
}

// Connections is how many there are, those of closed ones included that the kernel has not forgotten yet. It costs one
// small read.
func (e *ENI) Connections() (int, error) {
	b := make([]byte, 16)
	n, err := e.count.ReadAt(b, 0)
	if n == 0 && err != nil {
		return 0, fmt.Errorf("eni %s: count connections: %w", e.Node.Name, err)
	}
	count, err := strconv.Atoi(strings.TrimSpace(string(b[:n])))
	if err != nil {
		return 0, fmt.Errorf("eni %s: count connections: %w", e.Node.Name, err)
	}
	return count, nil
}

// OpenConnections is how many of them count toward the capacity. It reads them all.
func (e *ENI) OpenConnections() (int, error) {
	flows, err := e.Flows()
	return open(flows), err
}

func open(flows []Flow) (n int) {
	for _, f := range flows {
		if f.IsOpen() {
			n++
		}
	}
	return n
}

// Forget ends the connections that one slot has through the ENI.
func (e *ENI) Forget(slot netip.Addr) error { return e.end(departed{slot: true}) }

// Usage tells how near an ENI is to its limits.
type Usage struct {
	Connections int                    // that count toward the capacity now: closed ones do not
	Closed      int                    // that the kernel has not forgotten yet
	Capacity    int                    // of connections
	Ports       int                    // source ports for each target
	InUse       map[netip.AddrPort]int // source ports in use, by target
	Dropped     uint64                 // connections lost because no port was left, since the ENI was made
	Refused     Refused
}

// Refused counts packets that asked for a connection above an ENI's capacity, since its rules were set. TCP asks several
// times for one connection.
type Refused struct{ TCP, UDP uint64 }

// Total is that of both.
func (r Refused) Total() uint64 { return r.TCP + r.UDP }

// Refused reads from the rules what the ENI has refused. It runs iptables.
func (e *ENI) Refused() (r Refused, err error) {
	have, err := e.Node.Rules("filter")
	if err != nil {
		return r, fmt.Errorf("eni %s: %w", e.Node.Name, err)
	}
	for _, rule := range have[ruleset.Name{Table: "filter", Chain: full}].Rules {
		switch rule.Value("-p") {
		case "tcp":
			r.TCP += rule.Packets
		case "udp":
			r.UDP += rule.Packets
		}
	}
	return r, nil
}

// RuleCounts tells what the kernel has counted for each of the ENI's rules. It runs iptables.
func (e *ENI) RuleCounts() ([]RuleCount, error) {
	have, err := e.Node.Rules(tables...)
	if err != nil {
		return nil, fmt.Errorf("eni %s: rules: %w", e.Node.Name, err)
	}
	return e.Rules.counts(have)
}

// Usage reads it from connection tracking and from the rules.
func (e *ENI) Usage() (Usage, error) {
	u := Usage{Capacity: e.Rules.capacity(), Ports: e.Rules.ports().Count(), InUse: map[netip.AddrPort]int{}}
	flows, err := e.Flows()
	if err != nil {
		return u, err
	}
	u.Connections = open(flows)
	u.Closed = len(flows) - u.Connections
	for _, f := range flows {
		u.InUse[f.Target]++
	}
	if u.Refused, err = e.Refused(); err != nil {
		return u, err
	}
	err = e.Node.NS.Do(func() (err error) {
		text, err := os.ReadFile("/proc/thread-self/net/stat/nf_conntrack")
		if err == nil {
			u.Dropped, err = sumColumn(string(text), "insert_failed")
		}
		return err
	})
	if err != nil {
		return u, fmt.Errorf("eni %s: statistics: %w", e.Node.Name, err)
	}
	return u, nil
}

// sumColumn adds up one column of a /proc/net/stat table: a head line, then a line of hex numbers for each CPU.
func sumColumn(table, name string) (sum uint64, err error) {
	lines := strings.Split(strings.TrimSpace(table), "\n")
	at := slices.Index(strings.Fields(lines[0]), name)
	if at < 0 {
		return 0, fmt.Errorf("no column %q", name)
	}
	for _, line := range lines[1:] {
		fields := strings.Fields(line)
		if at >= len(fields) {
			return 0, fmt.Errorf("line %q has no column %q", line, name)
		}
		n, err := strconv.ParseUint(fields[at], 16, 64)
		if err != nil {
			return 0, err
		}
		sum += n
	}
	return sum, nil
}

func addrPort(ip net.IP, port uint16) netip.AddrPort {
	a, _ := netip.AddrFromSlice(ip)
	return netip.AddrPortFrom(a.Unmap(), port)
}
