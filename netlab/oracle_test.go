package netlab

import (
	"encoding/binary"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"net"
	"net/netip"
	"os"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"
	"unsafe"

	"enilab/internal/nstest"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// The messages that are written by hand are compared with what vishvananda/netlink writes for the same.

// tap is a handle of the library's whose requests come to the test and not to the kernel: it sends them over
// NETLINK_USERSOCK, the protocol for programs among themselves, to a socket of the test's. It needs no right.
type tap struct {
	*netlink.Handle
	in int
}

func newTap(t *testing.T) tap {
	t.Helper()
	in, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_USERSOCK)
	if err == nil {
		t.Cleanup(func() { unix.Close(in) })
		err = unix.Bind(in, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	if err != nil {
		t.Fatal(err)
	}
	own, err := unix.Getsockname(in)
	if err != nil {
		t.Fatal(err)
	}
	h, err := netlink.NewHandle(unix.NETLINK_USERSOCK)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(h.Close)
	if err := h.SetSocketTimeout(time.Millisecond); err != nil { // nobody is going to answer
		t.Fatal(err)
	}
	field := reflect.ValueOf(h).Elem().FieldByName("sockets")
	sockets := *(*map[int]*nl.SocketHandle)(unsafe.Pointer(field.UnsafeAddr()))
	if err := sockets[unix.NETLINK_USERSOCK].Socket.SetSendTimeout(new(unix.Timeval)); err != nil { // but all is sent, however slow the machine is
		t.Fatal(err)
	}
	to := reflect.ValueOf(sockets[unix.NETLINK_USERSOCK].Socket).Elem().FieldByName("lsa")
	(*unix.SockaddrNetlink)(unsafe.Pointer(to.UnsafeAddr())).Pid = own.(*unix.SockaddrNetlink).Pid
	sockets[unix.NETLINK_ROUTE] = sockets[unix.NETLINK_USERSOCK]
	return tap{h, in}
}

// catch returns the requests that the library sends in calls.
func (p tap) catch(t *testing.T, calls ...func(*netlink.Handle) error) (messages []message) {
	t.Helper()
	for _, call := range calls {
		answer := call(p.Handle) // it waits for one in vain
		b := make([]byte, 4096)
		n, err := unix.Read(p.in, b)
		if err != nil {
			t.Fatalf("the library has sent nothing: %v (it says: %v)", err, answer)
		}
		messages = append(messages, b[:n])
		for err == nil { // what it asks after that
			_, err = unix.Read(p.in, b)
		}
	}
	return messages
}

// encoded is a request that consists of the library's parts, where it has no call for it.
func encoded(kind, flags int, parts ...nl.NetlinkRequestData) []message {
	r := nl.NewNetlinkRequest(kind, flags)
	for _, p := range parts {
		r.AddData(p)
	}
	return []message{r.Serialize()}
}

// describe is a request in words that can be compared, a line each. Several are described as one: what they say together.
func describe(t *testing.T, list ...message) []string {
	t.Helper()
	var lines []string
	for _, m := range list {
		kind := binary.NativeEndian.Uint16(m[4:])
		flags := binary.NativeEndian.Uint16(m[6:]) &^ (unix.NLM_F_ACK | unix.NLM_F_REQUEST)
		size := map[uint16]int{
			unix.RTM_NEWLINK: unix.SizeofIfInfomsg, unix.RTM_SETLINK: unix.SizeofIfInfomsg, unix.RTM_GETLINK: unix.SizeofIfInfomsg, unix.RTM_DELLINK: unix.SizeofIfInfomsg,
			unix.RTM_NEWNEIGH: 12, unix.RTM_DELNEIGH: 12, unix.RTM_GETNEIGH: 12, unix.RTM_NEWROUTE: unix.SizeofRtMsg, unix.RTM_NEWADDR: unix.SizeofIfAddrmsg,
			unix.RTM_SETNEIGHTBL: 4, unix.RTM_GETNETCONF: 4, unix.RTM_NEWRULE: unix.SizeofRtMsg, unix.RTM_DELRULE: unix.SizeofRtMsg,
			unix.NFNL_SUBSYS_NFTABLES<<8 | unix.NFT_MSG_DELTABLE: nl.SizeofNfgenmsg,
		}[kind]
		if size == 0 {
			t.Fatalf("message of kind %d", kind)
		}
		body := m[unix.SizeofNlMsghdr:]
		lines = append(lines, fmt.Sprintf("kind %d flags %#x", kind, flags), fmt.Sprintf("about %x", []byte(body[:size])))
		lines = append(lines, attributes(t, fmt.Sprint(kind), body[size:])...)
	}
	slices.Sort(lines)
	return slices.Compact(lines)
}

// nests are the attributes that consist of others, by the way to them; those of a veth's other end begin with its ifinfomsg.
var nests = map[string]int{
	"16/18": 0, "16/18/2": 0, "16/18/2/1": unix.SizeofIfInfomsg, "16/26": 0, "16/26/10": 0, "19/26": 0, "19/26/10": 0, "67/6": 0,
}

// texts are the attributes that may end in a zero, or not.
var texts = []string{"16/3", "16/18/1", "16/18/2/1/3", "16/20", "19/3", "19/20", "67/1"}

func attributes(t *testing.T, path string, b []byte) (lines []string) {
	t.Helper()
	list, err := nl.ParseRouteAttr(b)
	if err != nil {
		t.Fatalf("%s: %v", path, err)
	}
	for _, a := range list {
		at := fmt.Sprintf("%s/%d", path, a.Attr.Type&^unix.NLA_F_NESTED)
		head, nest := nests[at]
		if nest && !(path == "16/18/2" && len(a.Value) < unix.SizeofIfInfomsg) { // a tunnel's first is its VNI
			if head > 0 {
				lines = append(lines, fmt.Sprintf("%s about %x", at, a.Value[:head]))
			}
			lines = append(lines, attributes(t, at, a.Value[head:])...)
			continue
		}
		if slices.Contains(texts, at) {
			lines = append(lines, fmt.Sprintf("%s %q", at, strings.TrimRight(string(a.Value), "\x00")))
			continue
		}
		lines = append(lines, fmt.Sprintf("%s %x", at, a.Value))
	}
	return lines
}

func TestMessagesAreTheLibrarys(t *testing.T) {
	nstest.NeedRoot(t)
	ns := nstest.NS(t)
	far := &Node{Name: "far", NS: ns}
	tapped := newTap(t)
	ip, mac := netip.MustParseAddr("10.0.1.4"), net.HardwareAddr{2, 0, 10, 0, 1, 4}
	device := indexed(7)
	neighbour := func(n netlink.Neigh) *netlink.Neigh { n.LinkIndex, n.IP = 7, ip.AsSlice(); return &n }
	call := func(calls ...func(*netlink.Handle) error) []message { return tapped.catch(t, calls...) }
	pair := veth{index: 1024, farIndex: 1025, name: "eni-a", farName: "eth0", mac: routerMAC, farMAC: mac, group: 16, far: far}
	tunnel := TunnelSpec{Name: "tun0", VNI: 8388608, MAC: mac, Local: netip.MustParseAddr("198.18.0.1"), Port: 4789}
	link := func(name string, index int, mac net.HardwareAddr, group uint32) netlink.LinkAttrs {
		return netlink.LinkAttrs{Name: name, Index: index, HardwareAddr: mac, MTU: mtu, TxQLen: 1000, NumTxQueues: 1, NumRxQueues: 1, Group: group}
	}
	interfaceMessage := func(index int) *nl.IfInfomsg {
		m := nl.NewIfInfomsg(unix.AF_UNSPEC)
		m.Index = int32(index)
		return m
	}
	covered := map[string]bool{}
	for _, c := range []struct {
		function string // that writes the message
		ours     []byte
		library  []message
		// What differs on purpose: lines that only ours has, and only the library's. Why stands behind them.
		only, only2 []string
	}{
		{"linkUp", linkUp(7), call(func(h *netlink.Handle) error { return h.LinkSetUp(device) }), nil, nil},
		{
			"linkUpSilent", linkUpSilent(7), call(func(h *netlink.Handle) error { return h.LinkSetUp(device) }, func(h *netlink.Handle) error { return h.LinkSetARPOff(device) }),
			[]string{"about 00000000070000008100000081000000"},
			[]string{"kind 19 flags 0x0", "about 00000000070000000100000001000000", "about 00000000070000008000000080000000"}, // both in one message
		},
		{
			"getLink", getLink(7), call(func(h *netlink.Handle) error { _, err := h.LinkByIndex(7); return err }),
			[]string{"18/29 08000000"},
			[]string{"18/29 01000000"}, // without statistics; the library wants virtual functions
		},
		{
			"linkUpAs", linkUpAs(7, "eni-a"), call(func(h *netlink.Handle) error { return h.LinkSetUp(device) }, func(h *netlink.Handle) error { return h.LinkSetAlias(device, "eni-a") }),
			[]string{`16/20 "eni-a"`},
			[]string{"about 00000000070000000000000000000000", "kind 19 flags 0x0", `19/20 "eni-a"`}, // both in one message, which RTM_SETLINK would do, too
		},
		{"veth.add", pair.add(), call(func(h *netlink.Handle) error {
			return h.LinkAdd(&netlink.Veth{
				LinkAttrs: link("eni-a", 1024, routerMAC, 16), PeerName: "eth0", PeerHardwareAddr: mac, PeerMTU: mtu, PeerTxQLen: 1000, PeerNumTxQueues: 1, PeerNumRxQueues: 1,
				PeerNamespace: netlink.NsFd(ns.Fd()),
			})
		}), []string{"16/18/2/1 about 00000000010400000000000000000000"}, []string{"16/18/2/1 about 00000000000000000000000000000000"}}, // the library cannot say the other end's index
		{
			"moveLink", moveLink(7, far, "eth0"), call(func(h *netlink.Handle) error { return h.LinkSetNsFd(device, ns.Fd()) }, func(h *netlink.Handle) error { return h.LinkSetName(device, "eth0") }),
			[]string{"kind 16 flags 0x0", fmt.Sprintf("16/28 %x", binary.NativeEndian.AppendUint32(nil, uint32(ns.Fd()))), "16/49 07000000", `16/3 "eth0"`}, // the index that it is to have there, and all in one message
			[]string{"kind 19 flags 0x0", fmt.Sprintf("19/28 %x", binary.NativeEndian.AppendUint32(nil, uint32(ns.Fd()))), `19/3 "eth0"`},
		},
		{"TunnelSpec.add", tunnel.add(far), call(func(h *netlink.Handle) error {
			attrs := link("tun0", tunnelIndex, mac, 0)
			attrs.TxQLen, attrs.Namespace = -1, netlink.NsFd(ns.Fd())
			return h.LinkAdd(&netlink.Vxlan{LinkAttrs: attrs, VxlanId: int(tunnel.VNI), SrcAddr: tunnel.Local.AsSlice(), Port: tunnel.Port, NoAge: true})
		}), []string{"16/18/2/18 00"}, // the library cannot switch UDP checksums off
			[]string{
				"16/18/2/5 00", "16/18/2/6 00", "16/18/2/11 00", "16/18/2/12 00", "16/18/2/13 00", "16/18/2/14 00", "16/18/2/19 00", "16/18/2/20 00",
			}}, // what is zero if nobody says so: TTL, TOS, proxy, RSC, misses, checksums over IPv6
		{
			"withoutIPv6", withoutIPv6(7), call(func(h *netlink.Handle) error { return h.LinkSetIP6AddrGenMode(device, addrGenModeNone) }),
			[]string{"kind 16 flags 0x0", "16/26/10/8 01"},
			[]string{"kind 19 flags 0x0", "19/26/10/8 01"},
		},
		{"Entry.message", Entry{Link: 7, MAC: mac, To: ip}.Set(), call(func(h *netlink.Handle) error {
			return h.NeighSet(neighbour(netlink.Neigh{Family: unix.AF_INET, State: netlink.NUD_PERMANENT, HardwareAddr: mac}))
		}), nil, nil},
		{"Entry.message", Entry{Link: 7, MAC: mac, To: ip}.Remove(), call(func(h *netlink.Handle) error {
			return h.NeighDel(neighbour(netlink.Neigh{Family: unix.AF_INET, State: netlink.NUD_PERMANENT, HardwareAddr: mac}))
		}), nil, nil},
		{"Entry.message", Entry{Link: 7, MAC: mac, To: ip, Forwarding: true, VNI: 99}.Set(), call(func(h *netlink.Handle) error {
			return h.NeighSet(neighbour(netlink.Neigh{Family: unix.AF_BRIDGE, State: netlink.NUD_PERMANENT, Flags: netlink.NTF_SELF, HardwareAddr: mac, VNI: 99}))
		}), nil, nil},
		{"Route.message", Route{Link: 7, Via: ip}.Add(), call(func(h *netlink.Handle) error {
			return h.RouteAdd(&netlink.Route{LinkIndex: 7, Gw: ip.AsSlice()})
		}), nil, nil},
		{"Route.message", Route{Link: 7, Via: ip, OnLink: true}.Add(), call(func(h *netlink.Handle) error {
			return h.RouteAdd(&netlink.Route{LinkIndex: 7, Gw: ip.AsSlice(), Flags: int(netlink.FLAG_ONLINK)})
		}), nil, nil},
		{"Route.message", Route{Link: 7, To: Host(ip)}.Replace(), call(func(h *netlink.Handle) error {
			return h.RouteReplace(&netlink.Route{LinkIndex: 7, Dst: IPNet(Host(ip)), Scope: netlink.SCOPE_LINK})
		}), nil, nil},
		{"AddAddress", AddAddress(7, netip.PrefixFrom(ip, 24)), call(func(h *netlink.Handle) error {
			return h.AddrAdd(device, &netlink.Addr{IPNet: IPNet(netip.PrefixFrom(ip, 24)), Flags: unix.IFA_F_NOPREFIXROUTE})
		}), nil, nil},
		{"AddAddress", AddAddress(7, Host(ip)), call(func(h *netlink.Handle) error {
			return h.AddrAdd(device, &netlink.Addr{IPNet: IPNet(Host(ip)), Flags: unix.IFA_F_NOPREFIXROUTE})
		}), nil, nil},
		{"addRule", addRule(32766, 254), call(func(h *netlink.Handle) error {
			r := netlink.NewRule()
			r.Priority, r.Table = 32766, 254
			return h.RuleAdd(r)
		}), []string{"about 02000000fe00000100000000"}, []string{"about 02000000fe03000100000000"}}, // it takes fib_rule_hdr for an rtmsg, and names who made it
		{"removal", removal(unix.RTM_DELRULE, addRule(32766, 254)[unix.SizeofNlMsghdr:]), call(func(h *netlink.Handle) error {
			r := netlink.NewRule()
			r.Priority, r.Table = 32766, 254
			return h.RuleDel(r)
		}), []string{"about 02000000fe00000100000000"}, []string{"about 02000000fe03000000000000"}}, // which does not look at the action either
		{"nfMessage", nfMessage(unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_DELTABLE, unix.NLM_F_ACK, unix.NFPROTO_INET, 258).text(unix.NFTA_TABLE_NAME, "t"), encoded(
			unix.NFNL_SUBSYS_NFTABLES<<8|unix.NFT_MSG_DELTABLE, unix.NLM_F_ACK, &nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_INET, Version: unix.NFNETLINK_V0, ResId: 0x0201}, nl.NewRtAttr(unix.NFTA_TABLE_NAME, nl.ZeroTerminated("t")),
		), nil, nil},
		{"deleteLinks", deleteLinks(2), encoded(unix.RTM_DELLINK, 0, interfaceMessage(0), nl.NewRtAttr(unix.IFLA_GROUP, nl.Uint32Attr(2))), nil, nil},
		{"getForwarding", getForwarding(), encoded(unix.RTM_GETNETCONF, 0, &raw{unix.AF_INET, 0, 0, 0}, nl.NewRtAttr(netconfIfindex, nl.Uint32Attr(0xffffffff))), nil, nil},
		{"promptProxy", promptProxy(7), encoded(unix.RTM_SETNEIGHTBL, 0, &raw{unix.AF_INET, 0, 0, 0}, nl.NewRtAttr(tableName, nl.ZeroTerminated("arp_cache")), tableAttr(7)), nil, nil},
	} {
		covered[c.function] = true
		ours, library := describe(t, c.ours), describe(t, c.library...)
		want := slices.Sorted(slices.Values(append(without(library, c.only2), c.only...)))
		if !slices.Equal(slices.Compact(want), ours) {
			t.Errorf("%s writes\n%s\nwant, by the library,\n%s", c.function, strings.Join(ours, "\n"), strings.Join(want, "\n"))
		}
	}
	for _, f := range writers(t) {
		if !covered[f] {
			t.Errorf("%s writes a message that is compared with nothing", f)
		}
	}
}

func tableAttr(link uint32) *nl.RtAttr {
	a := nl.NewRtAttr(tableParameters, nil)
	a.AddRtAttr(parameterIfindex, nl.Uint32Attr(link))
	a.AddRtAttr(parameterDelay, nl.Uint64Attr(0))
	return a
}

// raw is a structure that the library does not have.
type raw []byte

func (r *raw) Len() int          { return len(*r) }
func (r *raw) Serialize() []byte { return *r }

// without drops lines that have to be there.
func without(lines, some []string) (rest []string) {
	for _, l := range lines {
		if !slices.Contains(some, l) {
			rest = append(rest, l)
		}
	}
	if len(lines)-len(rest) != len(some) {
		rest = append(rest, fmt.Sprintf("(the library has not all of %q)", some))
	}
	return rest
}

// writers are the functions of this package that begin a message.
func writers(t *testing.T) (names []string) {
	t.Helper()
	files, err := fs.Glob(os.DirFS("."), "*.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Name.Name == "newMessage" {
				continue
			}
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.CallExpr); ok {
					if callee, ok := call.Fun.(*ast.Ident); ok && callee.Name == "newMessage" {
						names = append(names, nameOf(f))
					}
				}
				return true
			})
		}
	}
	if len(names) < 10 {
		t.Errorf("found the writers %v alone: looked in the wrong place?", names)
	}
	return names
}

func nameOf(f *ast.FuncDecl) string {
	if f.Recv == nil {
		return f.Name.Name
	}
	kind := f.Recv.List[0].Type
	if star, ok := kind.(*ast.StarExpr); ok {
		kind = star.X
	}
	return kind.(*ast.Ident).Name + "." + f.Name.Name
}
