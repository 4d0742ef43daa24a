package lambda_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net"
	"net/netip"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"enilab/internal/lambda"
	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/netlab"
)

// listenPort is where something listens, by TCP and UDP, in every namespace that nobody may reach.
const listenPort = 7777

// patience bounds an attempt, in milliseconds: what is allowed has all the time that a slow machine may want, and silence
// counts as a refusal after a moment. What is allowed takes well under a millisecond here.
func patience(allowed bool) int {
	if allowed {
		return 15_000 // below the functions' timeout
	}
	return 250
}

// listen serves listenPort on all addresses of a namespace until the test ends.
func listen(t *testing.T, ns *netns.NS) {
	t.Helper()
	at := netip.AddrPortFrom(netip.IPv4Unspecified(), listenPort)
	l, err := ns.Listen(at)
	must(t, err)
	var c net.PacketConn
	must(t, ns.Do(func() (err error) {
		c, err = net.ListenUDP("udp4", net.UDPAddrFromAddrPort(at))
		return err
	}))
	done := make(chan struct{}, 2)
	go func() { accept(l, func(c net.Conn) { io.WriteString(c, "reached") }); done <- struct{}{} }()
	go func() { echo(c, "reached"); done <- struct{}{} }()
	t.Cleanup(func() { l.Close(); c.Close(); <-done; <-done })
}

// answers says nil if somebody listens there and answers a caller in the namespace. Expected tells how long to wait.
func answers(ns *netns.NS, network string, to netip.Addr, expected bool) error {
	wait := time.Duration(patience(expected)) * time.Millisecond
	return ns.Do(func() error {
		c, err := net.DialTimeout(network, netip.AddrPortFrom(to, listenPort).String(), wait)
		if err != nil {
			return err
		}
		defer c.Close()
		c.SetDeadline(time.Now().Add(wait))
		io.WriteString(c, "ping")
		_, err = c.Read(make([]byte, 10))
		return err
	})
}

// idle returns the one environment that a function has.
func (b *bed) idle(t *testing.T, function string) lambda.Inside {
	t.Helper()
	list := b.Idle(function)
	if len(list) != 1 {
		t.Fatalf("%s has %d idle environments, want 1", function, len(list))
	}
	return list[0]
}

// reached are the outcomes of an attempt that found somebody: a refusal is a packet that came back, too, but from whom it
// went to only if nobody on the way says it in their name.
var reached = []string{"succeeded", "replied"}

// TestIsolation tries, from inside a function, everything that it may and may not reach. Both modes allow and refuse
// the same.
func TestIsolation(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	code := goFunction(t)
	// The neighbours: the same customer's functions, one in each mode, in the same security group.
	b.create(t, lambda.CreateFunctionInput{FunctionName: "legacy-neighbour", ZipFile: code, VpcConfig: vpcOf("blue"), Mode: lambda.LegacyInPlace})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "shared-neighbour", ZipFile: code, VpcConfig: vpcOf("blue")})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "green-neighbour", ZipFile: code, VpcConfig: vpcOf("green")})
	for _, f := range []string{"legacy-neighbour", "shared-neighbour", "green-neighbour"} {
		b.invoke(t, f, nil)
		listen(t, b.idle(t, f).NS)
	}
	legacy, slot, greenSlot := b.idle(t, "legacy-neighbour").Address, b.idle(t, "shared-neighbour").Slot, b.idle(t, "green-neighbour").Slot
	eni := b.idle(t, "shared-neighbour").Address
	for _, e := range b.HyperplaneENIs() {
		listen(t, e.ENI.Node.NS)
	}
	vpc := b.network.VPC("vpc-blue")
	hubVTEP, workerVTEP := b.Hyperplane.VTEP, b.Workers[0].VTEP
	for ns, own := range map[*netns.NS]netip.Addr{
		b.hub.NS: hubVTEP, b.worker.NS: workerVTEP, b.idle(t, "shared-neighbour").NS: slot, b.idle(t, "legacy-neighbour").NS: legacy,
	} {
		if own == hubVTEP || own == workerVTEP {
			listen(t, ns)
		}
		for _, network := range []string{"tcp4", "udp4"} { // a listener that cannot be reached from beside it proves nothing
			must(t, answers(ns, network, own, true))
		}
	}
	host, err := net.Listen("tcp4", "127.0.0.1:0") // in the lab's own namespace
	must(t, err)
	defer host.Close()
	hostPort := host.Addr().(*net.TCPAddr).Port

	at := func(a netip.Addr, port int) string { return netip.AddrPortFrom(a, uint16(port)).String() }
	attempts := map[string]struct {
		do  string
		may bool
	}{
		"own server, TCP":               {"connect:" + at(server, redisPort), true},
		"own server, HTTP":              {"connect:" + at(server, whoamiPort), true},
		"own server, UDP":               {"udp:" + at(server, datagramPort), true},
		"own server, closed TCP":        {"connect:" + at(server, closedPort), false},
		"own server, closed UDP":        {"udp:" + at(server, closedUDPPort), false},
		"metadata service":              {"connect:169.254.169.254:80", false},
		"router of the slot":            {"connect:169.254.1.1:80", false},
		"router of the subnet":          {"connect:10.0.1.1:80", false},
		"router of the subnet, UDP":     {"udp:10.0.1.1:53", false},
		"router of another subnet":      {"connect:10.0.2.1:80", false},
		"nobody in the VPC":             {"connect:10.0.2.99:80", false},
		"a function's legacy address":   {"connect:" + at(legacy, listenPort), false},
		"the same, UDP":                 {"udp:" + at(legacy, listenPort), false},
		"a function's slot address":     {"connect:" + at(slot, listenPort), false},
		"the same slot, UDP":            {"udp:" + at(slot, listenPort), false},
		"another tenant's slot":         {"connect:" + at(greenSlot, listenPort), false},
		"another tenant's slot, UDP":    {"udp:" + at(greenSlot, listenPort), false},
		"the ENI":                       {"connect:" + at(eni, listenPort), false},
		"the ENI, UDP":                  {"udp:" + at(eni, listenPort), false},
		"the Hyperplane node":           {"connect:" + at(hubVTEP, listenPort), false},
		"the Hyperplane node, UDP":      {"udp:" + at(hubVTEP, listenPort), false},
		"the Hyperplane node's tunnels": {"udp:" + at(hubVTEP, 4789), false},
		"the worker":                    {"connect:" + at(workerVTEP, listenPort), false},
		"the worker, UDP":               {"udp:" + at(workerVTEP, listenPort), false},
		"the worker's tunnels":          {"udp:" + at(workerVTEP, 4789), false},
		"the lab's loopback":            {fmt.Sprintf("connect:127.0.0.1:%d", hostPort), false},
		"the internet":                  {"connect:203.0.113.80:80", false},
		"the internet's edge":           {"connect:192.0.2.1:80", false},
	}
	results := map[lambda.Mode]map[string]bool{}
	for _, mode := range lambda.Modes {
		results[mode] = map[string]bool{}
		for _, tenant := range []string{"blue", "green"} {
			b.create(t, lambda.CreateFunctionInput{FunctionName: tenant + "-" + string(mode), ZipFile: code, VpcConfig: vpcOf(tenant), Mode: mode})
		}
	}
	t.Run("from", func(t *testing.T) {
		for _, mode := range lambda.Modes {
			found := results[mode] // this subtest's own
			t.Run(string(mode), func(t *testing.T) {
				t.Parallel()
				for _, tenant := range []string{"blue", "green"} {
					if a, _ := b.ask(t, tenant+"-"+string(mode), everything); a.Tenant != tenant || !strings.HasPrefix(a.Whoami, tenant+" ") {
						t.Errorf("%s's function got the answers of %s and %s", tenant, a.Tenant, a.Whoami)
					}
				}
				var wg sync.WaitGroup
				var mu sync.Mutex // guards found
				turn := make(chan struct{}, 5)
				for name, c := range attempts {
					wg.Go(func() {
						turn <- struct{}{}
						out, err := b.try(t, "blue-"+string(mode), event{"do": c.do, "timeout": patience(c.may)})
						<-turn
						var a answer
						if err == nil {
							err = json.Unmarshal(out.Payload, &a)
						}
						o := a.Outcome
						if err != nil || out.FunctionError != "" || o.Outcome == "failed" {
							t.Errorf("%s: the attempt itself failed: %v %s", name, err, out.Payload)
							return
						}
						mu.Lock()
						defer mu.Unlock()
						if found[name] = slices.Contains(reached, o.Outcome); found[name] != c.may {
							t.Errorf("%s (%s): %s %s; allowed: %t", name, c.do, o.Outcome, o.Detail, c.may)
						}
					})
				}
				wg.Wait()
			})
		}
	})
	for _, mode := range lambda.Modes[1:] {
		if !maps.Equal(results[mode], results[lambda.Modes[0]]) {
			t.Errorf("%s reaches %v, %s %v", mode, results[mode], lambda.Modes[0], results[lambda.Modes[0]])
		}
	}

	// From inside the VPC, toward a sandbox that listens: legacy only if its security group allows it, shared never.
	inside := b.node(t, "instance")
	_, err = vpc.Connect(t.Context(), inside, netlab.InterfaceSpec{Subnet: "subnet-data", SecurityGroups: []string{"sg-data"}})
	must(t, err)
	dial := func(network string, to netip.Addr, expected bool) error {
		return answers(inside.NS, network, to, expected)
	}
	for _, mode := range lambda.Modes {
		open := b.create(t, lambda.CreateFunctionInput{FunctionName: "open-" + string(mode), ZipFile: code, VpcConfig: vpcOf("blue", "sg-open"), Mode: mode})
		b.invoke(t, open, nil)
		env := b.idle(t, open)
		listen(t, env.NS)
		if err := dial("tcp4", env.Address, mode != lambda.Shared); (err == nil) != (mode != lambda.Shared) {
			t.Errorf("%s, from the VPC to a function whose group allows it: %v", mode, err)
		}
		if err := dial("udp4", env.Address, false); err == nil {
			t.Errorf("%s: a datagram that no group allows got an answer", mode)
		}
		if env.Slot.IsValid() {
			for _, network := range []string{"tcp4", "udp4"} {
				if err := dial(network, env.Slot, false); err == nil {
					t.Errorf("%s: the slot's own address %s answers in the VPC", network, env.Slot)
				}
			}
		}
	}
	for name, to := range map[string]netip.Addr{"legacy, group without ingress": legacy, "ENI of a shared one": eni, "slot": slot} {
		for _, network := range []string{"tcp4", "udp4"} {
			if err := dial(network, to, false); err == nil {
				t.Errorf("from the VPC, %s to %s (%s): answered", network, name, to)
			}
		}
	}
}

// A function without a VPC reaches the internet and nothing else; one with a VPC does not reach the internet.
func TestInternet(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t)
	code := goFunction(t)
	b.create(t, lambda.CreateFunctionInput{FunctionName: "neighbour", ZipFile: code})
	b.create(t, lambda.CreateFunctionInput{FunctionName: "customer", ZipFile: code, VpcConfig: vpcOf("blue")})
	for _, f := range []string{"neighbour", "customer"} {
		b.invoke(t, f, nil)
		listen(t, b.idle(t, f).NS)
	}
	for _, mode := range lambda.Modes { // which mode makes no difference
		f := b.create(t, lambda.CreateFunctionInput{FunctionName: "f-" + string(mode), ZipFile: code, Mode: mode})
		a, _ := b.ask(t, f, event{"whoami": "http://203.0.113.80/"})
		if !strings.HasPrefix(a.Whoami, "internet 192.0.2.") {
			t.Errorf("%s: the internet saw %q", mode, a.Whoami)
		}
	}
	port := func(a netip.Addr) string { return fmt.Sprintf("%s:%d", a, listenPort) }
	for do, may := range map[string]bool{
		"connect:198.51.100.7:80":                                true,
		fmt.Sprintf("connect:%s:%d", server, redisPort):          false,
		fmt.Sprintf("udp:%s:%d", server, datagramPort):           false,
		"connect:" + port(b.idle(t, "neighbour").Slot):           false,
		"connect:" + port(b.idle(t, "customer").Slot):            false,
		"udp:" + port(b.idle(t, "customer").Slot):                false,
		"connect:" + port(b.idle(t, "customer").Address):         false,
		"connect:" + port(b.Hyperplane.VTEP):                     false,
		"connect:" + port(b.Workers[0].VTEP):                     false,
		fmt.Sprintf("udp:%s", port(b.idle(t, "neighbour").Slot)): false,
	} {
		a, _ := b.ask(t, "f-shared", event{"do": do, "timeout": patience(may)})
		if slices.Contains(reached, a.Outcome.Outcome) != may {
			t.Errorf("without a VPC, %s: %s %s; allowed: %t", do, a.Outcome.Outcome, a.Outcome.Detail, may)
		}
	}
}

// A lab without an internet refuses functions without a VPC, and says so.
func TestNoInternet(t *testing.T) {
	nstest.NoLeaks(t)
	b := newBed(t, func(c *lambda.Config) { c.Internet = nil })
	_, err := b.CreateFunction(t.Context(), lambda.CreateFunctionInput{FunctionName: "f", ZipFile: goFunction(t)})
	must(t, err)
	if err := b.WaitFunctionActive(within(t, 10*time.Second), lambda.FunctionRef{Name: "f"}); err == nil || !strings.Contains(err.Error(), "has no internet") {
		t.Errorf("%v", err)
	}
}
