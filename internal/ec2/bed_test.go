package ec2_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"path/filepath"
	"testing"
	"time"

	"enilab/internal/ec2"
	"enilab/internal/events"
	"enilab/internal/nstest"
	"enilab/internal/state"
	"enilab/netlab"
)

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func get[T any](v T, err error) func(testing.TB) T {
	return func(t testing.TB) T {
		t.Helper()
		must(t, err)
		return v
	}
}

func wantCode(t testing.TB, err error, code ec2.Code) {
	t.Helper()
	refusal := new(ec2.Error)
	if !errors.As(err, &refusal) || refusal.Code != code || refusal.Status() != 400 {
		t.Errorf("got %v, want %s", err, code)
	}
}

// bed is a control plane with a network of the test's own.
type bed struct {
	*ec2.Service
	events <-chan events.Event
}

func newBed(t testing.TB) *bed {
	t.Helper()
	nstest.NeedRoot(t)
	nstest.NoLeaks(t)
	lab := netlab.NewLab()
	t.Cleanup(func() { must(t, lab.Close()) })
	db, err := state.Open(filepath.Join(t.TempDir(), "state"))
	must(t, err)
	t.Cleanup(func() { must(t, db.Close()) })
	bus := new(events.Bus)
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	return &bed{ec2.New(ec2.Config{Network: lab, State: db, Events: bus}), bus.Subscribe(ctx, 1000)}
}

func (b *bed) vpc(t testing.TB, cidr string) string {
	t.Helper()
	return get(b.CreateVpc(t.Context(), ec2.CreateVpcInput{CidrBlock: cidr}))(t).VpcID
}

func (b *bed) subnet(t testing.TB, vpc, cidr string) string {
	t.Helper()
	return get(b.CreateSubnet(ec2.CreateSubnetInput{VpcID: vpc, CidrBlock: cidr}))(t).SubnetID
}

func (b *bed) group(t testing.TB, vpc, name string) string {
	t.Helper()
	return get(b.CreateSecurityGroup(t.Context(), ec2.CreateSecurityGroupInput{GroupName: name, Description: name, VpcID: vpc}))(t).GroupID
}

func (b *bed) defaultGroup(t testing.TB, vpc string) ec2.SecurityGroup {
	t.Helper()
	page := get(b.DescribeSecurityGroups(where("vpc-id", vpc, "group-name", "default")))(t)
	if len(page.Items) != 1 {
		t.Fatalf("%s has %d default groups", vpc, len(page.Items))
	}
	return page.Items[0]
}

// where is a query with filters, given as names and values.
func where(namesAndValues ...string) (q ec2.Query) {
	for i := 0; i < len(namesAndValues); i += 2 {
		q.Filters = append(q.Filters, ec2.Filter{Name: namesAndValues[i], Values: namesAndValues[i+1 : i+2]})
	}
	return q
}

// host is somebody's machine in a VPC.
type host struct {
	*netlab.Node
	*netlab.Interface
}

func (b *bed) host(t testing.TB, vpc string, s netlab.InterfaceSpec) host {
	t.Helper()
	n, err := netlab.NewNode("host")
	must(t, err)
	t.Cleanup(func() { n.Close() })
	i, err := b.Network.VPC(vpc).Connect(t.Context(), n, s)
	must(t, err)
	return host{n, i}
}

// serve accepts connections on a port until the test ends.
func (h host) serve(t testing.TB, port uint16) netip.AddrPort {
	t.Helper()
	at := netip.AddrPortFrom(h.Address, port)
	must(t, h.NS.Do(func() error {
		l, err := net.Listen("tcp4", at.String())
		if err == nil {
			t.Cleanup(func() { l.Close() })
		}
		return err
	}))
	return at
}

// reaches tells whether a connection from the host comes about. The listener's backlog answers. One that is expected may
// take as long as a slow machine wants; of another, silence for a moment is enough.
func (h host) reaches(at netip.AddrPort, expected bool) bool {
	wait := 300 * time.Millisecond
	if expected {
		wait = time.Minute
	}
	return h.NS.Do(func() error {
		c, err := net.DialTimeout("tcp4", at.String(), wait)
		if err == nil {
			err = c.Close()
		}
		return err
	}) == nil
}

// send sends a packet of a protocol of IPv4 and tells whether it has arrived. One that should has more time for it.
func (h host) send(t testing.TB, to host, protocol string, packet []byte, should bool) (arrived bool) {
	t.Helper()
	listen := func(at host) (c net.PacketConn) {
		must(t, at.NS.Do(func() (err error) {
			c, err = net.ListenPacket("ip4:"+protocol, at.Address.String())
			return err
		}))
		t.Cleanup(func() { c.Close() })
		return c
	}
	in, out := listen(to), listen(h)
	get(out.WriteTo(packet, &net.IPAddr{IP: to.Address.AsSlice()}))(t)
	patience := 300 * time.Millisecond
	if should {
		patience = 10 * time.Second
	}
	must(t, in.SetReadDeadline(time.Now().Add(patience)))
	got := make([]byte, 1500)
	n, _, err := in.ReadFrom(got)
	return err == nil && bytes.Equal(got[:n], packet)
}

func tcp(port int, peers ...string) ec2.IPPermission {
	p := ec2.IPPermission{IPProtocol: "tcp", FromPort: &port, ToPort: &port}
	for _, peer := range peers {
		if _, err := netip.ParsePrefix(peer); err == nil {
			p.IPRanges = append(p.IPRanges, ec2.IPRange{CidrIP: peer})
		} else {
			p.UserIDGroupPairs = append(p.UserIDGroupPairs, ec2.UserIDGroupPair{GroupID: peer})
		}
	}
	return p
}

// agree holds that what the control plane shows is what the kernel has.
func agree(s *ec2.Service) error {
	page, err := s.DescribeVpcs(ec2.Query{})
	if err != nil {
		return err
	}
	if networks := s.Network.VPCs(); len(networks) != len(page.Items) {
		return fmt.Errorf("%d VPCs shown, %d in the network", len(page.Items), len(networks))
	}
	for _, v := range page.Items {
		if err := agreeOn(s, v); err != nil {
			return fmt.Errorf("%s: %w", v.VpcID, err)
		}
	}
	return nil
}

func agreeOn(s *ec2.Service, v ec2.Vpc) error {
	vpc := s.Network.VPC(v.VpcID)
	if vpc == nil {
		return errors.New("not in the network")
	}
	routers := map[netip.Addr]bool{netip.MustParseAddr("127.0.0.1"): true}
	subnets, err := s.DescribeSubnets(where("vpc-id", v.VpcID))
	if err != nil {
		return err
	}
	for _, sub := range subnets.Items {
		routers[netlab.Gateway(sub.CidrBlock)] = true
	}
	addresses, err := vpc.Node.Addresses("lo")
	if err != nil {
		return err
	}
	for _, a := range addresses {
		if !routers[a] {
			return fmt.Errorf("address %s is no subnet's router", a)
		}
		delete(routers, a)
	}
	delete(routers, netip.MustParseAddr("127.0.0.1")) // Linux gives it to lo once that is up
	if len(routers) > 0 || len(subnets.Items) != len(vpc.Subnets()) {
		return fmt.Errorf("subnets %v shown, %v in the network; without router: %v", subnets.Items, vpc.Subnets(), routers)
	}
	groups, err := s.DescribeSecurityGroups(where("vpc-id", v.VpcID))
	if err != nil {
		return err
	}
	if len(groups.Items) != len(vpc.SecurityGroups()) {
		return fmt.Errorf("groups %v shown, %v in the network", groups.Items, vpc.SecurityGroups())
	}
	interfaces, err := s.DescribeNetworkInterfaces(where("vpc-id", v.VpcID))
	if err != nil {
		return err
	}
	links, err := vpc.Node.Link.LinkList()
	if err != nil {
		return err
	}
	ends := map[string]bool{}
	for _, l := range links {
		ends[l.Attrs().Name] = true
	}
	for _, i := range interfaces.Items {
		if name := (&netlab.Interface{ID: i.NetworkInterfaceID}).LinkName(); !ends[name] {
			return fmt.Errorf("interface %s has no link", i.NetworkInterfaceID)
		}
	}
	return nil
}
