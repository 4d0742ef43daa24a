package nat_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"syscall"
	"testing"
	"time"

	"enilab/internal/netns"
	"enilab/internal/nstest"
	"enilab/nat"
	"enilab/netlab"

	"github.com/vishvananda/netlink"
	"golang.org/x/sys/unix"
)

// The test binary is also a customer's server and a control plane that is going to be killed.
func TestMain(m *testing.M) {
	if len(os.Args) > 2 {
		var err error
		switch os.Args[1] {
		case "serve":
			err = echo(os.Args[2])
		case "keep":
			err = keep(os.Args[2])
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	os.Exit(m.Run())
}

func echo(at string) error {
	l, err := net.Listen("tcp4", at)
	for err == nil {
		var c net.Conn
		if c, err = l.Accept(); err == nil {
			go io.Copy(c, c)
		}
	}
	return err
}

// kept is what the control plane has left behind.
type kept struct {
	Web       netlab.ResourceState
	Interface string
	Address   netip.Addr
	VNI       nat.VNI
}

func keptSpec(server string) netlab.VPCSpec {
	return netlab.VPCSpec{
		ID: "vpc-blue", CIDR: netip.MustParsePrefix("10.0.0.0/16"),
		Subnets:        []netlab.SubnetSpec{{ID: "subnet-a", CIDR: netip.MustParsePrefix("10.0.1.0/24")}},
		SecurityGroups: []netlab.SecurityGroupSpec{{ID: "sg-open", Ingress: []netlab.Rule{netlab.All}}},
		Resources: []netlab.ResourceSpec{{
			Name: "web", Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}, Port: 80, Command: []string{server, "serve", "{address}:80"},
		}},
	}
}

// keep builds a lab with an ENI and a slot bound to it, all pinned; its user kills it.
func keep(server string) error {
	ctx := context.Background()
	lab := netlab.NewLab()
	lab.Keep = true
	spec := keptSpec(server)
	vpc, err := lab.AddVPC(ctx, spec)
	if err != nil {
		return err
	}
	web, err := lab.AddResource(ctx, spec.ID, spec.Resources[0])
	if err != nil {
		return err
	}
	node := func(name string) (n *netlab.Node) {
		if err == nil {
			n, err = netlab.NewNode(name)
		}
		return n
	}
	hub, worker, slot := node("hyperplane"), node("worker"), node("slot")
	if err != nil {
		return err
	}
	underlay, err := netlab.NewUnderlay(hub)
	if err != nil {
		return err
	}
	vtep, err := underlay.Connect(ctx, worker)
	if err != nil {
		return err
	}
	k := kept{Web: web.State()}
	hyperplane := nat.NewNode(hub, underlay.HubVTEP)
	made := func(name string) (e *nat.ENI, i *netlab.Interface) {
		if err == nil {
			e, err = hyperplane.NewENI(ctx, nat.ENIConfig{Name: name, Keep: true, Uplink: func(ctx context.Context, n *netlab.Node) (a netip.Addr, err error) {
				i, err = vpc.Connect(ctx, n, netlab.InterfaceSpec{Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}, Type: "lambda"})
				if err != nil {
					return a, err
				}
				return i.Address, nil
			}})
		}
		return e, i
	}
	made("eni-first")
	eni, i := made("eni-blue")
	if err != nil {
		return err
	}
	k.Interface, k.Address, k.VNI = i.ID, i.Address, eni.VNI
	tunnel, err := wireSlot(slot, worker, vtep)
	err = errors.Join(err, hub.Pin(), worker.Pin(), slot.Pin())
	if err == nil {
		err = eni.Bind(tunnel)
	}
	if err == nil {
		err = json.NewEncoder(os.Stdout).Encode(k)
	}
	if err == nil {
		time.Sleep(time.Hour)
	}
	return err
}

func wireSlot(n, worker *netlab.Node, vtep netip.Addr) (t nat.Tunnel, err error) {
	t = nat.Tunnel{Address: netip.MustParseAddr("100.64.0.7"), VNI: 7, Worker: vtep, Slot: n}
	t.MAC = netlab.MAC(0x02, 0x00, t.Address)
	t.Device, err = n.AddTunnel(worker, netlab.TunnelSpec{Name: "eth0", VNI: uint32(t.VNI), MAC: t.MAC, Local: vtep, Port: nat.TunnelPort})
	if err != nil {
		return t, err
	}
	link := &netlink.Device{LinkAttrs: netlink.LinkAttrs{Index: t.Device}}
	router := net.IPv4(169, 254, 1, 1).To4()
	return t, errors.Join(
		n.Link.AddrAdd(link, &netlink.Addr{IPNet: netlab.IPNet(netlab.Host(t.Address))}),
		n.Link.NeighSet(&netlink.Neigh{LinkIndex: t.Device, Family: unix.AF_INET, IP: router, HardwareAddr: nat.ENIMAC, State: netlink.NUD_PERMANENT}),
		n.Link.RouteAdd(&netlink.Route{LinkIndex: t.Device, Gw: router, Flags: int(netlink.FLAG_ONLINK)}),
	)
}

const realmVariable = "NAT_TEST_REALM"

// inRealm runs the calling test once more, as the first process of pid and mount namespaces of its own, as a lab's keeper
// is: it inherits orphans, and its pins are nobody else's. There it returns true.
func inRealm(t *testing.T) bool {
	t.Helper()
	nstest.NeedRoot(t)
	if os.Getenv(realmVariable) != "" {
		must(t, unix.Mount("", "/", "", unix.MS_REC|unix.MS_PRIVATE, ""))
		must(t, unix.Mount("proc", "/proc", "proc", 0, ""))
		must(t, unix.Mount("tmpfs", "/run", "tmpfs", 0, "mode=755"))
		return true
	}
	again := exec.CommandContext(t.Context(), "/proc/self/exe", "-test.v", "-test.run=^"+regexp.QuoteMeta(t.Name())+"$")
	again.Env = append(os.Environ(), realmVariable+"=1")
	again.SysProcAttr = &syscall.SysProcAttr{Cloneflags: unix.CLONE_NEWPID | unix.CLONE_NEWNS}
	if out, err := again.CombinedOutput(); err != nil {
		t.Errorf("%v\n%s", err, out)
	}
	return false
}

// serverPath is the test binary at a place where nobody, as whom servers run, may execute it.
func serverPath(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "nat-server-")
	must(t, err)
	t.Cleanup(func() { os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	program, err := os.ReadFile("/proc/self/exe")
	must(t, err)
	path := filepath.Join(dir, "server")
	must(t, os.WriteFile(path, program, 0o755))
	return path
}

// TestAdoptedENI: a control plane is killed, and another takes over its ENI. A function's connection through it stays.
func TestAdoptedENI(t *testing.T) {
	if !inRealm(t) {
		return
	}
	nstest.NoLeaks(t)
	server := serverPath(t)
	cmd := exec.CommandContext(t.Context(), "/proc/self/exe", "keep", server)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	must(t, err)
	must(t, cmd.Start())
	line, err := bufio.NewReader(out).ReadBytes('\n')
	must(t, err)
	var k kept
	must(t, json.Unmarshal(line, &k))

	slot, err := netlab.OpenNode("slot")
	must(t, err)
	defer slot.Close()
	at := netip.AddrPortFrom(k.Web.Address, 80)
	var c net.Conn
	must(t, slot.NS.Do(func() (err error) {
		c, err = net.DialTimeout("tcp4", at.String(), answerWithin)
		return err
	}))
	defer hangUp(c)
	say := func(words string) {
		t.Helper()
		c.SetDeadline(time.Now().Add(answerWithin))
		b := make([]byte, 100)
		fmt.Fprint(c, words)
		if n, err := c.Read(b); err != nil || string(b[:n]) != words {
			t.Errorf("the connection says %q, want %q: %v", b[:n], words, err)
		}
	}
	say("all is well")
	must(t, cmd.Process.Kill())
	cmd.Wait()
	say("nobody is in control")

	spec := keptSpec(server)
	lab := netlab.NewLab()
	lab.Keep = true
	defer func() { must(t, lab.Close()) }()
	vpc, err := lab.AdoptVPC(t.Context(), spec)
	must(t, err)
	hub, err := netlab.OpenNode("hyperplane")
	must(t, err)
	defer hub.Close()
	underlay, err := netlab.OpenUnderlay(hub)
	must(t, err)
	hyperplane := nat.NewNode(hub, underlay.HubVTEP)
	config := nat.ENIConfig{Name: "eni-blue", Keep: true, Uplink: func(context.Context, *netlab.Node) (netip.Addr, error) {
		i, err := vpc.AdoptInterface(netlab.InterfaceSpec{ID: k.Interface, Address: k.Address, Subnet: "subnet-a", SecurityGroups: []string{"sg-open"}, Type: "lambda"})
		if err != nil {
			return netip.Addr{}, err
		}
		return i.Address, nil
	}}
	for name, c := range map[string]struct {
		config nat.ENIConfig
		is     error
	}{
		"never was":      {nat.ENIConfig{Name: "eni-x"}, fs.ErrNotExist},
		"no ENI":         {nat.ENIConfig{Name: "slot"}, nil},
		"uplink is gone": {nat.ENIConfig{Name: "eni-blue", Uplink: func(context.Context, *netlab.Node) (netip.Addr, error) { return netip.Addr{}, fs.ErrClosed }}, fs.ErrClosed},
		"other address":  {nat.ENIConfig{Name: "eni-blue", Uplink: func(context.Context, *netlab.Node) (netip.Addr, error) { return k.Web.Address, nil }}, nil},
	} {
		if _, err := hyperplane.AdoptENI(t.Context(), c.config); err == nil || c.is != nil && !errors.Is(err, c.is) {
			t.Errorf("%s: %v", name, err)
		}
	}
	eni, err := hyperplane.AdoptENI(t.Context(), config)
	must(t, err)
	defer func() { must(t, eni.Close()) }()
	if len(eni.Drift) > 0 || len(vpc.Drift) > 0 {
		t.Errorf("as the former control plane left them, they have drifted: %v, %v", eni.Drift, vpc.Drift)
	}
	if counts, err := eni.RuleCounts(); err != nil || len(counts) == 0 || counts[0].Packets != 1 {
		t.Errorf("rules that were not touched go on counting, and have seen one connection: %+v, %v", counts, err)
	}
	web, err := lab.AdoptResource(t.Context(), spec.ID, spec.Resources[0], k.Web)
	must(t, err)
	removed, err := vpc.Sweep()
	must(t, err)
	if len(removed) != 1 { // eni-first's
		t.Errorf("swept %v", removed)
	}
	// New VNIs are above those of adopted ENIs; before that, one that is in use is passed over.
	early, err := nat.NewNode(hub, underlay.HubVTEP).NewENI(t.Context(), nat.ENIConfig{Name: "eni-early", Uplink: attach(vpc, "10.0.1.101")})
	must(t, err)
	if early.VNI != k.VNI+1 {
		t.Errorf("a node that has adopted nothing takes VNI %d, want %d", early.VNI, k.VNI+1)
	}
	must(t, early.Close())
	must(t, netlab.EndPinned("eni-first"))
	say("a new one has taken over")
	if eni.VNI != k.VNI || eni.Address != k.Address || web.State() != k.Web {
		t.Errorf("VNI %d, address %s, server %+v; was %+v", eni.VNI, eni.Address, web.State(), k)
	}
	if n, err := eni.Connections(); n != 1 || err != nil {
		t.Errorf("%d connections: %v", n, err)
	}
	flows, err := eni.Flows()
	if err != nil || len(flows) != 1 || flows[0].Target != at || flows[0].State != "ESTABLISHED" {
		t.Errorf("flows %v: %v", flows, err)
	}

	next, err := hyperplane.NewENI(t.Context(), nat.ENIConfig{Name: "eni-next", Uplink: attach(vpc, "10.0.1.100")})
	must(t, err)
	defer func() { must(t, next.Close()) }()
	if next.VNI <= eni.VNI {
		t.Errorf("the next VNI is %d, after %d", next.VNI, eni.VNI)
	}

	must(t, eni.Flush())
	must(t, eni.Flush())
	if n, err := eni.Connections(); n != 0 || err != nil {
		t.Errorf("after Flush %d connections: %v", n, err)
	}
	silent(t, slot, "tcp4", at)
	worker, err := netlab.OpenNode("worker")
	must(t, err)
	defer worker.Close()
	vtep, err := underlay.Adopt(worker)
	must(t, err)
	tunnel := nat.Tunnel{Address: netip.MustParseAddr("100.64.0.7"), VNI: 7, Worker: vtep, Slot: slot, MAC: netlab.MAC(0x02, 0x00, netip.MustParseAddr("100.64.0.7"))}
	end, err := slot.Link.LinkByName("eth0")
	must(t, err)
	tunnel.Device = end.Attrs().Index
	must(t, eni.Bind(tunnel))
	must(t, slot.NS.Do(func() error {
		c, err := net.DialTimeout("tcp4", at.String(), answerWithin)
		if err == nil {
			hangUp(c)
		}
		return err
	}))

	must(t, errors.Join(eni.Close(), next.Close(), lab.Close(), hub.Close(), worker.Close(), slot.Close()))
	if names, err := netns.Pinned(); err != nil || len(names) > 0 {
		t.Errorf("pinned after all was closed: %v, %v", names, err)
	}
}
