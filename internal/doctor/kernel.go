package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os/exec"
	"strings"

	"enilab/internal/netns"

	"github.com/containernetworking/plugins/pkg/netlinksafe"
	"github.com/vishvananda/netlink"
	vnetns "github.com/vishvananda/netns"
	"golang.org/x/sys/unix"
)

// Kernel tries each feature in namespaces that are thrown away. It needs rights over namespaces. Trying also has the kernel
// load the modules it has for them. Without a namespace there is nothing to try: then that is the one check.
func Kernel(ctx context.Context) []Check {
	first := netNamespace.check(ctx)
	if first.Status != OK {
		return []Check{first}
	}
	return append([]Check{first}, run(ctx, []probe{
		{name: "veth", try: inScratch(veth), fix: "sudo modprobe veth"},
		{name: "vxlan between namespaces", try: inScratch(vxlan), fix: "sudo modprobe vxlan"},
		vxlanVNI,
		{name: "netfilter SNAT", try: rules("nat", snatRule), fix: "sudo modprobe -a xt_nat nf_nat nft_compat"},
		{name: "netfilter conntrack match", try: rules("filter", conntrackRule), fix: "sudo modprobe -a xt_conntrack nft_compat"},
		{name: "netfilter devgroup match", try: rules("filter", devgroupRule), fix: "sudo modprobe -a xt_devgroup nft_compat"},
		{name: "netfilter connlimit match", try: rules("filter", connlimitRule), fix: "sudo modprobe -a xt_connlimit nft_compat"},
		{name: "conntrack listing", try: inScratch(conntrack), fix: "sudo modprobe nf_conntrack_netlink"},
		{name: "namespace settings", try: inScratch(settings), fix: "mount /proc/sys writable: a container needs --privileged"},
		{name: "sandbox namespaces", try: sandboxNamespaces, fix: "needs a kernel with CONFIG_PID_NS, CONFIG_IPC_NS, CONFIG_UTS_NS, and 5.4 or later"},
		{name: "programs of another user", try: otherUser, fix: "sudo sysctl vm.memfd_noexec=0, if that is 2; else see what the system's log says of it"},
		{name: "mount API", try: mountAPI, fix: "needs Linux 5.12 or later"},
		{name: "seccomp", try: seccomp, fix: "needs a kernel with CONFIG_SECCOMP_FILTER"},
	})...)
}

// Preflight tries in a few milliseconds what a lab cannot do without, with rights over namespaces. Its error is an
// [UnmetError] that names what is missing and the way out. Besides, the lab needs servers: those programs.
func Preflight(ctx context.Context, servers ...string) error {
	var probes []probe
	for _, name := range servers {
		probes = append(probes, probe{name: name, try: installed(name), fix: "install it; for what the examples need: scripts/deps.sh demo"})
	}
	for _, p := range append(probes, []probe{
		{name: "iptables-restore", try: installed("iptables-restore"), fix: iptablesRestore.fix},
		descriptors,
		netNamespace,
		vxlanVNI,
		{name: "netfilter", try: rules("nat", snatRule, "COMMIT", "*filter", conntrackRule, devgroupRule, connlimitRule), fix: "enilab doctor tells which part"},
	}...) {
		if err := Required([]Check{p.check(ctx)}); err != nil {
			return err
		}
	}
	return nil
}

var (
	netNamespace = probe{name: "network namespaces", try: inScratch(func(*scratch) error { return nil }), fix: "run as root (sudo)"}
	vxlanVNI     = probe{name: "vxlan with a VNI per entry", try: inScratch(vxlanEntry), fix: "sudo modprobe vxlan"}
)

func installed(name string) func(context.Context) (string, error) {
	return func(context.Context) (string, error) {
		if _, err := exec.LookPath(name); err != nil {
			return "", errors.New("not found in PATH")
		}
		return name, nil
	}
}

// scratch is two empty network namespaces.
type scratch struct{ here, there side }

type side struct {
	ns *netns.NS
	netlinksafe.Handle
}

func newSide(families ...int) (s side, err error) {
	if s.ns, err = netns.New(); err != nil {
		return side{}, err
	}
	if s.Handle, err = netlinksafe.NewHandleAt(vnetns.NsHandle(s.ns.Fd()), families...); err != nil {
		return side{}, errors.Join(fmt.Errorf("open netlink: %w", err), s.ns.Close())
	}
	return s, nil
}

func (s side) close() error {
	s.Close()
	return s.ns.Close()
}

// inScratch gives a probe its namespaces and ends them, with all that is in them, when it is done.
func inScratch(try func(*scratch) error) func(context.Context) (string, error) {
	return func(context.Context) (_ string, err error) {
		var s scratch
		if s.here, err = newSide(unix.NETLINK_ROUTE, unix.NETLINK_NETFILTER); err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, s.here.close()) }()
		if s.there, err = newSide(unix.NETLINK_ROUTE); err != nil {
			return "", err
		}
		defer func() { err = errors.Join(err, s.there.close()) }()
		return "", try(&s)
	}
}

// veth makes a pair with both names and both namespaces in one message.
func veth(s *scratch) error {
	err := s.here.LinkAdd(&netlink.Veth{
		LinkAttrs:     netlink.LinkAttrs{Name: "probe0", NumTxQueues: 1, NumRxQueues: 1},
		PeerName:      "probe1",
		PeerNamespace: netlink.NsFd(s.there.ns.Fd()),
	})
	if err != nil {
		return fmt.Errorf("make a pair: %w", err)
	}
	if _, err := s.there.LinkByName("probe1"); err != nil {
		return fmt.Errorf("the peer in its namespace: %w", err)
	}
	return nil
}

// vxlan makes a device in one namespace whose tunnel ends in the other.
func vxlan(s *scratch) error {
	_, err := addVxlan(s)
	return err
}

func addVxlan(s *scratch) (netlink.Link, error) {
	err := s.there.LinkAdd(&netlink.Vxlan{
		LinkAttrs: netlink.LinkAttrs{Name: "probe0", NumTxQueues: 1, NumRxQueues: 1, Namespace: netlink.NsFd(s.here.ns.Fd())},
		VxlanId:   7,
		Port:      4789,
	})
	if err != nil {
		return nil, fmt.Errorf("make a device: %w", err)
	}
	device, err := s.here.LinkByName("probe0")
	if err != nil {
		return nil, fmt.Errorf("the device in its namespace: %w", err)
	}
	return device, nil
}

// vxlanEntry sets a forwarding entry with a VNI other than the device's, and reads it back.
func vxlanEntry(s *scratch) error {
	device, err := addVxlan(s)
	if err != nil {
		return err
	}
	const vni = 8
	err = s.here.NeighSet(&netlink.Neigh{
		LinkIndex: device.Attrs().Index, Family: unix.AF_BRIDGE, Flags: netlink.NTF_SELF, State: netlink.NUD_PERMANENT,
		HardwareAddr: net.HardwareAddr{2, 0, 0, 0, 0, 1}, IP: net.IPv4(192, 0, 2, 1).To4(), VNI: vni,
	})
	if err != nil {
		return fmt.Errorf("set a forwarding entry: %w", err)
	}
	entries, err := s.here.NeighList(device.Attrs().Index, unix.AF_BRIDGE)
	if err != nil {
		return fmt.Errorf("list forwarding entries: %w", err)
	}
	for _, e := range entries {
		if e.VNI == vni {
			return nil
		}
	}
	return errors.New("the kernel ignored the entry's VNI")
}

func conntrack(s *scratch) error {
	_, err := s.here.ConntrackTableList(netlink.ConntrackTable, unix.AF_INET)
	return err
}

// settings are those the lab writes in its own namespaces.
func settings(s *scratch) error {
	return s.here.ns.Set(
		netns.Sysctl{Key: "net/ipv4/ip_forward", Value: "1"},
		netns.Sysctl{Key: "net/ipv4/conf/default/proxy_arp", Value: "1"},
	)
}

// One rule for each thing the lab's rulesets use.
const (
	snatRule      = "-A POSTROUTING -o eth0 -p tcp -j SNAT --to-source 192.0.2.1:1024-65535 --random-fully"
	conntrackRule = "-A FORWARD -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"
	devgroupRule  = "-A FORWARD -m devgroup --src-group 7 -j ACCEPT"
	connlimitRule = "-A FORWARD -p tcp -m connlimit --connlimit-above 9 --connlimit-mask 0 -j DROP"
)

// rules commits a ruleset to a namespace that is thrown away.
func rules(table string, lines ...string) func(context.Context) (string, error) {
	ruleset := "*" + table + "\n" + strings.Join(lines, "\n") + "\nCOMMIT\n"
	return func(ctx context.Context) (string, error) {
		return inScratch(func(s *scratch) error {
			return s.here.ns.Do(func() error {
				cmd := exec.CommandContext(ctx, "iptables-restore")
				cmd.Stdin = strings.NewReader(ruleset)
				var complaint bytes.Buffer
				cmd.Stderr = &complaint
				err := cmd.Run()
				if errors.Is(err, exec.ErrNotFound) {
					return finding{error: err, fix: iptablesRestore.fix}
				}
				if err != nil {
					first, _, _ := strings.Cut(complaint.String(), "\n")
					return fmt.Errorf("iptables-restore: %w: %s", err, first)
				}
				return nil
			})
		})(ctx)
	}
}
