package netlab_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// kept is what a control plane that was killed has left behind.
type kept struct {
	Web, Client, Idle netlab.ResourceState
	Whole, Half       string // interfaces: one whose owner is pinned besides; one that was never completed
	Internet          netlab.ProcessState
	Worker            netip.Addr
}

func keptSpec(server string) netlab.VPCSpec {
	s := plain("vpc-blue")
	s.SecurityGroups = append(s.SecurityGroups, netlab.SecurityGroupSpec{ID: "sg-web", Ingress: []netlab.Rule{{Protocol: "tcp", FromPort: 80, Group: "sg-client"}}}, netlab.SecurityGroupSpec{ID: "sg-client"})
	s.Resources = []netlab.ResourceSpec{
		{
			Name: "web", Subnet: "subnet-a", SecurityGroups: []string{"sg-web"}, Port: 80, Command: []string{server, "serve", "web", "{address}:80"},
			Check: []string{"test", "-e", "/proc/self"},
		},
		{Name: "client", Subnet: "subnet-wide", SecurityGroups: []string{"sg-client"}, Command: []string{"sleep", "1000"}},
		{Name: "idle", Subnet: "subnet-wide", SecurityGroups: []string{"sg-shut"}, Command: []string{"sleep", "1000"}},
	}
	return s
}

// keep is the control plane that is going to be killed.
func keep(server string) (k kept, err error) {
	ctx := context.Background()
	lab := netlab.NewLab()
	lab.Keep = true
	spec := keptSpec(server)
	vpc, err := lab.AddVPC(ctx, spec)
	if err != nil {
		return k, err
	}
	if err := vpc.UseGroups(ctx, []string{"sg-shut"}); err != nil { // so that numbers are not in the interfaces' order
		return k, err
	}
	for i, state := range []*netlab.ResourceState{&k.Web, &k.Client, &k.Idle} {
		r, err := lab.AddResource(ctx, spec.ID, spec.Resources[i])
		if err != nil {
			return k, err
		}
		*state = r.State()
	}
	owner, err := netlab.NewNode("owner")
	if err != nil {
		return k, err
	}
	whole, err := vpc.Connect(ctx, owner, netlab.InterfaceSpec{Subnet: "subnet-tiny", SecurityGroups: []string{"sg-open"}})
	if err != nil {
		return k, err
	}
	half, err := vpc.NewInterface(ctx, netlab.InterfaceSpec{Subnet: "subnet-tiny", SecurityGroups: []string{"sg-open"}})
	if err != nil {
		return k, err
	}
	k.Whole, k.Half = whole.ID, half.ID
	in, err := netlab.NewInternet(ctx, []string{server, "serve", "internet", "0.0.0.0:80"})
	if err != nil {
		return k, err
	}
	k.Internet = in.State()
	hub, err := netlab.NewNode("hyperplane")
	if err != nil {
		return k, err
	}
	worker, err := netlab.NewNode("worker")
	if err != nil {
		return k, err
	}
	u, err := netlab.NewUnderlay(hub)
	if err != nil {
		return k, err
	}
	if k.Worker, err = u.Connect(ctx, worker); err != nil {
		return k, err
	}
	edge, err := netlab.NewNode("edge")
	if err != nil {
		return k, err
	}
	_, err = in.Connect(ctx, edge)
	return k, errors.Join(err, half.Create(), owner.Pin(), in.Node.Pin(), hub.Pin(), worker.Pin(), edge.Pin())
}

// keepAndTell is keep as a process.
func keepAndTell(server string) error {
	k, err := keep(server)
	if err != nil {
		return err
	}
	if err := json.NewEncoder(os.Stdout).Encode(k); err != nil {
		return err
	}
	time.Sleep(time.Hour)
	return nil
}

// TestAdoption: a control plane is killed, and another takes over what it has built. A connection that was open stays so,
// and the servers are the same.
func TestAdoption(t *testing.T) {
	if !inRealm(t) {
		return
	}
	nstest.NoLeaks(t)
	var k kept
	kill := controlPlane(t, &k, "keep", serverPath(t))
	at := netip.AddrPortFrom(k.Web.Address, 80)
	say := holdConnection(t, "vpc-blue.client", at)
	kill()
	say("nobody is in control")

	spec := keptSpec(serverPath(t))
	spec.Subnets[1] = netlab.SubnetSpec{ID: "subnet-new", CIDR: netip.MustParsePrefix("10.0.3.0/24")} // in place of subnet-tiny
	lab := netlab.NewLab()
	lab.Keep = true
	t.Cleanup(func() { must(t, lab.Close()) })
	vpc, err := lab.AdoptVPC(t.Context(), spec)
	must(t, err)
	say("the VPC is adopted")
	loose, err := vpc.NewInterface(t.Context(), open) // not at the address of one that is still to be adopted
	must(t, err)
	must(t, loose.Create())
	if loose.Address == k.Web.Address {
		t.Errorf("%s is given away", loose.Address)
	}
	for i, was := range []netlab.ResourceState{k.Web, k.Client} {
		r, err := lab.AdoptResource(t.Context(), spec.ID, spec.Resources[i], was)
		must(t, err)
		if r.State() != was {
			t.Errorf("adopted %+v, want %+v", r.State(), was)
		}
		must(t, r.Healthy(t.Context()))
	}
	if _, err := vpc.AdoptInterface(netlab.InterfaceSpec{ID: k.Half, Subnet: "subnet-new", SecurityGroups: []string{"sg-open"}}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("an interface that was never completed is adopted: %v", err)
	}
	removed, err := vpc.Sweep()
	must(t, err)
	if !slices.Contains(removed, k.Whole) || !slices.ContainsFunc(removed, func(name string) bool { return strings.HasPrefix(k.Half, name) }) {
		t.Errorf("swept %v, want %s and %s", removed, k.Whole, k.Half)
	}
	links, err := vpc.Node.Link.LinkList()
	must(t, err)
	if len(links) != 5 {
		t.Errorf("%d links, want lo, two resources' and the two ends of %s: %v", len(links), loose.ID, links)
	}
	must(t, loose.Delete())
	links = slices.DeleteFunc(links, func(l netlink.Link) bool { return l.Attrs().Alias == "" && l.Attrs().Name != "lo" })
	for _, l := range links { // numbers stay, so that rules and links agree at every moment
		if want := map[string]uint32{k.Web.Interface: 16, k.Client.Interface: 17}[l.Attrs().Alias]; l.Attrs().Group != want {
			t.Errorf("%s %s has group %d, want %d", l.Attrs().Name, l.Attrs().Alias, l.Attrs().Group, want)
		}
	}
	own, err := vpc.Node.Addresses("lo")
	must(t, err)
	if got := fmt.Sprint(own); got != "[127.0.0.1 10.0.1.1 10.0.16.1 10.0.3.1]" {
		t.Errorf("router addresses %s", got)
	}
	say("all is swept")

	// New connections and interfaces are as if nothing had happened.
	web, client := lab.Resource("vpc-blue", "web"), lab.Resource("vpc-blue", "client")
	if from, name, err := reach(client.Node, "tcp4", at, answerWithin); err != nil || name != "web" || from != client.Interface.Address {
		t.Errorf("%q sees %s: %v", name, from, err)
	}
	n := newNode(t, "stranger")
	i, err := vpc.Connect(t.Context(), n, open)
	must(t, err)
	silent(t, n, "tcp4", at)
	must(t, i.SetGroups(t.Context(), []string{"sg-client"}))
	if _, _, err := reach(n, "tcp4", at, answerWithin); err != nil {
		t.Errorf("with other groups: %v", err)
	}
	if i.Address == web.Interface.Address || i.LinkName() == web.Interface.LinkName() {
		t.Errorf("%s at %s is the server's", i.ID, i.Address)
	}

	adoptSurroundings(t, k)
	must(t, netlab.EndPinned("owner"))
	must(t, netlab.EndPinned("vpc-blue.idle"))
	if _, err := os.Stat(fmt.Sprintf("/proc/%d/ns/net", k.Idle.PID)); err == nil { // a zombie's is not there
		t.Errorf("process %d, in a namespace that was ended, runs", k.Idle.PID)
	}
	must(t, lab.Close())
	if names, err := netns.Pinned(); err != nil || len(names) > 0 {
		t.Errorf("pinned after all was closed: %v, %v", names, err)
	}
}

// adoptSurroundings takes over the internet and the underlay, and ends them.
func adoptSurroundings(t *testing.T, k kept) {
	t.Helper()
	in, err := netlab.AdoptInternet(t.Context(), []string{"no-such-server"}, k.Internet) // not needed: it runs
	must(t, err)
	defer func() { must(t, in.Close()) }()
	edge, err := netlab.OpenNode("edge")
	must(t, err)
	public, name, err := reach(edge, "tcp4", netlab.InternetHTTP, answerWithin)
	if err != nil || name != "internet" {
		t.Errorf("%q sees %s: %v", name, public, err)
	}
	other := newNode(t, "other-edge")
	next, err := in.Connect(t.Context(), other)
	must(t, err)
	if next == public {
		t.Errorf("both edges are %s", next)
	}
	must(t, edge.Close())
	must(t, in.Disconnect(public))
	must(t, in.Disconnect(public))

	if _, err := netlab.OpenUnderlay(other); err == nil {
		t.Error("a node without an endpoint is the hub of an underlay")
	}
	hub, err := netlab.OpenNode("hyperplane")
	must(t, err)
	defer hub.Close()
	worker, err := netlab.OpenNode("worker")
	must(t, err)
	defer worker.Close()
	u, err := netlab.OpenUnderlay(hub)
	must(t, err)
	if vtep, err := u.Adopt(worker); err != nil || vtep != k.Worker {
		t.Errorf("worker at %s, want %s: %v", vtep, k.Worker, err)
	}
	if _, err := u.Adopt(other); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a worker that was never connected: %v", err)
	}
	vtep, err := u.Connect(t.Context(), other)
	must(t, err)
	must(t, hub.NS.Do(func() error { return nstest.Ping(vtep, answerWithin) }))
	must(t, hub.NS.Do(func() error { return nstest.Ping(k.Worker, answerWithin) }))
}

// holdConnection opens a connection from a pinned node, and returns what sends over it and expects an echo.
func holdConnection(t *testing.T, node string, at netip.AddrPort) (say func(string)) {
	t.Helper()
	n, err := netlab.OpenNode(node)
	must(t, err)
	var c net.Conn
	err = n.NS.Do(func() (err error) {
		c, err = net.DialTimeout("tcp4", at.String(), answerWithin)
		return err
	})
	must(t, err)
	must(t, n.Release())
	t.Cleanup(func() { c.Close() })
	if _, err := readLine(c); err != nil {
		t.Fatal(err)
	}
	return func(words string) {
		t.Helper()
		c.SetDeadline(time.Now().Add(answerWithin))
		fmt.Fprintln(c, words)
		if got, err := readLine(c); err != nil || got != words {
			t.Errorf("the connection says %q, want %q: %v", got, words, err)
		}
	}
}

// TestAdoptedServers: one that has died is started again in its place, one of whom the books know nothing is ended
// first, and a process whose number merely is the same is left alone.
func TestAdoptedServers(t *testing.T) {
	if !inRealm(t) {
		return
	}
	nstest.NoLeaks(t)
	var k kept
	controlPlane(t, &k, "keep", serverPath(t))()
	spec := keptSpec(serverPath(t))
	lab := netlab.NewLab()
	t.Cleanup(func() { must(t, lab.Close()) })
	_, err := lab.AdoptVPC(t.Context(), spec)
	must(t, err)
	if _, err := lab.AdoptVPC(t.Context(), netlab.VPCSpec{ID: "vpc-green", CIDR: spec.CIDR}); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a VPC that never was: %v", err)
	}
	unknown := spec.Resources[0]
	unknown.Name = "unknown"
	if _, err := lab.AdoptResource(t.Context(), spec.ID, unknown, k.Web); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a resource that never was: %v", err)
	}

	was := k.Web
	was.PID, was.Start = os.Getpid(), 1 // a number that is somebody else's by now; and the old server runs
	web, err := lab.AdoptResource(t.Context(), spec.ID, spec.Resources[0], was)
	must(t, err)
	if web.State().PID == k.Web.PID || web.Interface.Address != k.Web.Address {
		t.Errorf("%+v, was %+v", web.State(), k.Web)
	}
	must(t, web.Healthy(t.Context()))

	must(t, unix.Kill(web.State().PID, unix.SIGKILL))
	<-web.Process().Done()
	if err := web.Healthy(t.Context()); err == nil || !strings.Contains(err.Error(), "ended: signal: killed") {
		t.Errorf("a dead server: %v", err)
	}
	must(t, web.Restart(t.Context()))
	must(t, web.Healthy(t.Context()))

	// One that cannot be adopted is ended, so that it can be added.
	broken := spec.Resources[2]
	broken.SecurityGroups = []string{"sg-x"}
	if _, err := lab.AdoptResource(t.Context(), spec.ID, broken, k.Idle); err == nil || errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a resource with a group that does not exist: %v", err)
	}
	if _, err := lab.AdoptResource(t.Context(), spec.ID, spec.Resources[2], k.Idle); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("what could not be adopted is there: %v", err)
	}
	_, err = lab.AddResource(t.Context(), spec.ID, spec.Resources[2])
	must(t, err)

	// An adopted server ends with its children, though it is not ours to wait for.
	client, err := lab.AdoptResource(t.Context(), spec.ID, spec.Resources[1], k.Client)
	must(t, err)
	p := client.Process()
	must(t, client.Close())
	<-p.Done()
	if err := client.Restart(t.Context()); err == nil {
		t.Error("a closed resource was started again")
	}
	for _, name := range []string{"owner", "internet", "hyperplane", "worker", "edge", "never-was"} {
		must(t, netlab.EndPinned(name))
	}
	must(t, lab.Close())
	if names, err := netns.Pinned(); err != nil || len(names) > 0 {
		t.Errorf("pinned after all was closed: %v, %v", names, err)
	}
}
