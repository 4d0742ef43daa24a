package netlab_test

import (
	"encoding/binary"
	"flag"
	"fmt"
	"math/rand/v2"
	"net/netip"
	"runtime"
	"slices"
	"testing"
	"time"

	"enilab/internal/nstest"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

var modelPackets = flag.Int("model-packets", 2000, "so many random packets are compared with the model of security groups")

// model is security groups in memory, as AWS describes them: the oracle for the kernel's.
// https://docs.aws.amazon.com/vpc/latest/userguide/security-group-rules.html
type model struct {
	groups map[string]netlab.SecurityGroupSpec
	hosts  []modelHost
	open   map[packet]bool // connections, by the packet that opened each: whether they were answered
}

type modelHost struct {
	address netip.Addr
	groups  []string
}

// packet is one from one host to another. Ports are those of tcp and udp; of icmp from is the echo's id.
type packet struct {
	source, target int
	protocol       string // "tcp", "udp", "icmp" or a number
	from, to       uint16
	answer         bool // SYN and ACK, echo reply: is none unless there was a question
}

// back is the packet that opened what p answers.
func (p packet) back() packet {
	return packet{p.target, p.source, p.protocol, p.to, p.from, false}
}

// passes tells what becomes of a packet, and keeps the connection that it opens. Rules that change later leave a connection
// alone once it was answered; until then each packet that asks is judged by the rules of its time.
func (m *model) passes(p packet) bool {
	same := p
	same.answer = false
	if _, asked := m.open[p.back()]; asked {
		m.open[p.back()] = true
		return true
	}
	if m.open[same] {
		return true
	}
	if p.answer && (p.protocol == "tcp" || p.protocol == "icmp") {
		return false
	}
	source, target := m.hosts[p.source], m.hosts[p.target]
	out, in := false, false
	for _, id := range source.groups {
		rules := m.groups[id].Egress
		if rules == nil {
			rules = []netlab.Rule{netlab.All}
		}
		out = out || slices.ContainsFunc(rules, func(r netlab.Rule) bool { return allows(r, p, target) })
	}
	for _, id := range target.groups {
		in = in || slices.ContainsFunc(m.groups[id].Ingress, func(r netlab.Rule) bool { return allows(r, p, source) })
	}
	if _, asked := m.open[same]; out && in && !asked {
		m.open[same] = false
	}
	return out && in
}

// allows tells whether a rule is about a packet, to or from a peer.
func allows(r netlab.Rule, p packet, peer modelHost) bool {
	if r.Group != "" && !slices.Contains(peer.groups, r.Group) || r.Group == "" && !r.CIDR.Contains(peer.address) {
		return false
	}
	switch {
	case r.Protocol == "-1":
		return true
	case r.Protocol != p.protocol:
		return false
	case r.Protocol == "icmp":
		return r.ICMP == "" || r.ICMP == "8" || r.ICMP == "8/0" // questions alone come here
	case r.Protocol != "tcp" && r.Protocol != "udp", r.FromPort == 0 && r.ToPort == 0:
		return true
	}
	return p.to >= r.FromPort && p.to <= max(r.ToPort, r.FromPort)
}

// frame is the packet as it goes over a wire.
func (m *model) frame(p packet) []byte {
	source, target := m.hosts[p.source].address.As4(), m.hosts[p.target].address.As4()
	var number byte
	var body []byte
	switch p.protocol {
	case "tcp": // RFC 9293
		number, body = 6, make([]byte, 20)
		binary.BigEndian.PutUint16(body[0:], p.from)
		binary.BigEndian.PutUint16(body[2:], p.to)
		body[12], body[13] = 5<<4, 2 // SYN
		if p.answer {
			body[13] |= 16 // ACK
			binary.BigEndian.PutUint32(body[8:], 1)
		}
		binary.BigEndian.PutUint16(body[14:], 1000)
		pseudo := slices.Concat(source[:], target[:], []byte{0, 6, 0, 20})
		binary.BigEndian.PutUint16(body[16:], checksum(slices.Concat(pseudo, body)))
	case "udp": // RFC 768; a checksum of zero is none
		number, body = 17, make([]byte, 8)
		binary.BigEndian.PutUint16(body[0:], p.from)
		binary.BigEndian.PutUint16(body[2:], p.to)
		binary.BigEndian.PutUint16(body[4:], 8)
	case "icmp": // RFC 792
		number, body = 1, make([]byte, 8)
		id := p.from
		if body[0] = 8; p.answer {
			body[0], id = 0, p.to
		}
		binary.BigEndian.PutUint16(body[4:], id)
		binary.BigEndian.PutUint16(body[2:], checksum(body))
	default:
		fmt.Sscan(p.protocol, &number)
		body = make([]byte, 8)
	}
	ip := slices.Concat([]byte{0x45, 0, 0, byte(20 + len(body)), 0, 0, 0x40, 0, 64, number, 0, 0}, source[:], target[:])
	binary.BigEndian.PutUint16(ip[10:], checksum(ip))
	router := []byte{0x0a, 0, 0, 0, 0, 1}
	return slices.Concat(router, netlab.MAC(0x0a, 0x58, m.hosts[p.source].address), []byte{8, 0}, ip, body)
}

func checksum(b []byte) uint16 {
	sum := uint32(0)
	for i := 0; i+1 < len(b); i += 2 {
		sum += uint32(binary.BigEndian.Uint16(b[i:]))
	}
	for sum>>16 != 0 {
		sum = sum&0xffff + sum>>16
	}
	return ^uint16(sum)
}

// wireHost is a host that is nothing but an open end: what it sends and receives are frames.
type wireHost struct{ fd int }

func newWireHost(t *testing.T, v *netlab.VPC, h modelHost, name string) wireHost {
	t.Helper()
	owner := newNode(t, name)
	i, err := v.NewInterface(t.Context(), netlab.InterfaceSpec{Subnet: "subnet-a", SecurityGroups: h.groups, Address: h.address})
	must(t, err)
	must(t, i.CreateIn(owner))
	end, err := owner.Link.LinkByName(netlab.OwnerLink)
	must(t, err)
	must(t, owner.Link.LinkSetUp(end))
	must(t, i.Publish())
	nstest.Eventually(t, answerWithin, func() error {
		end, err := owner.Link.LinkByName(netlab.OwnerLink)
		if err == nil && end.Attrs().OperState != netlink.OperUp {
			err = fmt.Errorf("%s is %s", name, end.Attrs().OperState)
		}
		return err
	})
	var w wireHost
	must(t, owner.NS.Do(func() (err error) {
		const ip = unix.ETH_P_IP>>8 | unix.ETH_P_IP<<8&0xff00 // in network order
		if w.fd, err = unix.Socket(unix.AF_PACKET, unix.SOCK_RAW|unix.SOCK_CLOEXEC, ip); err != nil {
			return err
		}
		limit := unix.NsecToTimeval(answerWithin.Nanoseconds())
		if err := unix.SetsockoptTimeval(w.fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &limit); err != nil {
			return err
		}
		return unix.Bind(w.fd, &unix.SockaddrLinklayer{Protocol: ip, Ifindex: end.Attrs().Index})
	}))
	t.Cleanup(func() { unix.Close(w.fd) })
	return w
}

// fence is let through by a group that all hosts have; what was sent before it has arrived before it, or never will.
var fence = netlab.SecurityGroupSpec{
	ID: "sg-fence", Ingress: []netlab.Rule{{Protocol: "udp", FromPort: 9, CIDR: netlab.All.CIDR}}, Egress: []netlab.Rule{{Protocol: "udp", FromPort: 9, CIDR: netlab.All.CIDR}},
}

// TestSecurityGroupsAgreeWithModel sends random packets, questions and answers, between hosts with random groups, whose rules
// change meanwhile.
func TestSecurityGroupsAgreeWithModel(t *testing.T) {
	nstest.NoLeaks(t)
	nstest.NeedRoot(t)
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	random := rand.New(rand.NewPCG(seed, 0))
	pick := func(words ...string) string { return words[random.IntN(len(words))] }
	ids := []string{"sg-a", "sg-b", "sg-c", "sg-d", "sg-e"}
	ports := []uint16{53, 80, 81, 443, 1000, 1005, 1010, 65535}
	rules := func() []netlab.Rule {
		list := []netlab.Rule{}
		for range random.IntN(4) {
			r := netlab.Rule{Protocol: pick("tcp", "tcp", "udp", "udp", "icmp", "253", "-1")}
			switch r.Protocol {
			case "tcp", "udp":
				switch r.FromPort = ports[random.IntN(len(ports))]; random.IntN(3) {
				case 0:
					r.FromPort = 0
				case 1:
					r.ToPort = max(r.FromPort, ports[random.IntN(len(ports))])
				}
			case "icmp":
				r.ICMP = pick("", "8", "8/0", "0", "3/4")
			}
			if random.IntN(2) == 0 {
				r.Group = pick(ids...)
			} else {
				r.CIDR = netip.MustParsePrefix(pick("0.0.0.0/0", "10.0.1.0/24", "10.0.1.8/29", "10.0.1.11/32", "10.0.2.0/24"))
			}
			list = append(list, r)
		}
		return list
	}
	group := func(id string) netlab.SecurityGroupSpec {
		g := netlab.SecurityGroupSpec{ID: id, Ingress: rules()}
		if random.IntN(2) == 0 {
			g.Egress = rules()
		}
		return g
	}
	m := &model{groups: map[string]netlab.SecurityGroupSpec{fence.ID: fence}, open: map[packet]bool{}}
	spec := plain("vpc-blue")
	spec.SecurityGroups = []netlab.SecurityGroupSpec{fence}
	for _, id := range ids {
		m.groups[id] = group(id)
		spec.SecurityGroups = append(spec.SecurityGroups, m.groups[id])
	}
	vpc := newVPC(t, spec)
	var wires []wireHost
	for n := range 6 {
		h := modelHost{netip.AddrFrom4([4]byte{10, 0, 1, byte(10 + n)}), []string{fence.ID}}
		for range 1 + random.IntN(3) {
			h.groups = append(h.groups, pick(ids...))
		}
		m.hosts = append(m.hosts, h)
		wires = append(wires, newWireHost(t, vpc, h, fmt.Sprintf("host-%d", n)))
	}

	// All is sent by one processor, whose queue is in order: the fence overtakes nothing.
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var before, one unix.CPUSet
	must(t, unix.SchedGetaffinity(0, &before))
	for cpu := range 1024 {
		if before.IsSet(cpu) {
			one.Set(cpu)
			break
		}
	}
	must(t, unix.SchedSetaffinity(0, &one))
	defer func() { must(t, unix.SchedSetaffinity(0, &before)) }()

	next := uint16(20000)
	port := func() uint16 { next++; return next }
	arrives := func(p packet) bool {
		t.Helper()
		frame, after := m.frame(p), m.frame(packet{p.source, p.target, "udp", port(), 9, false})
		for _, f := range [][]byte{frame, after} {
			_, err := unix.Write(wires[p.source].fd, f)
			must(t, err)
		}
		found := false
		for b := make([]byte, 200); ; {
			n, err := unix.Read(wires[p.target].fd, b)
			if err != nil {
				t.Fatalf("%+v: the fence has not arrived: %v", p, err)
			}
			same := func(f []byte) bool { return n >= len(f) && slices.Equal(b[26:len(f)], f[26:]) } // addresses and what follows
			if same(after) {
				return found
			}
			found = found || same(frame) && b[23] == frame[23]
		}
	}
	passed := map[bool]int{}
	var answered []packet
	for n := range *modelPackets {
		if n%100 == 99 {
			id := pick(ids...)
			m.groups[id] = group(id)
			must(t, vpc.SetSecurityGroup(t.Context(), m.groups[id]))
		}
		p := packet{random.IntN(6), random.IntN(6), pick("tcp", "udp", "icmp", "253"), port(), ports[random.IntN(len(ports))], false}
		if p.protocol == "icmp" || p.protocol == "253" {
			p.to = 0
		}
		if p.protocol == "253" {
			p.from = 0 // it has no ports: two hosts have one connection
		}
		if p.source == p.target {
			continue
		}
		switch {
		case len(answered) > 0 && random.IntN(3) == 0: // an answer to what has arrived
			q := answered[len(answered)-1]
			answered = answered[:len(answered)-1]
			p = q.back()
			p.answer = true
		case random.IntN(10) == 0: // one to nothing
			p.answer = true
		}
		want := m.passes(p)
		if got := arrives(p); got != want {
			t.Fatalf("packet %d, %+v from %v to %v: arrives %t, the model says %t\n%+v", n, p, m.hosts[p.source], m.hosts[p.target], got, want, m.groups)
		}
		passed[want]++
		if want && !p.answer {
			answered = append(answered, p)
		}
	}
	if passed[true] < *modelPackets/50 || passed[false] < *modelPackets/50 {
		t.Errorf("a tame sequence: %v", passed)
	}
	t.Logf("%d passed, %d did not", passed[true], passed[false])
}
