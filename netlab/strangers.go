package netlab

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os"
	"os/exec"
	"slices"
	"strings"

	"enilab/internal/netns"
	"enilab/internal/ruleset"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// Belongings are what a lab has in a namespace of its own beside links, their addresses and ways over them.
type Belongings struct {
	Tables   []string       // of iptables, with rules; all other tables are to do nothing
	Settings []netns.Sysctl // as [NewNode] was given them
	Owns     func(Way) bool // tells of a route that the kernel has not made that it is the lab's, or compared elsewhere
}

// Strangers tells what somebody else has put into the namespace, or set there, by which packets go other ways than the lab has
// made for them: rules in tables that the lab has none in, iptables' or nft's, rules of routing, routes, queueing disciplines,
// settings. If it is to mend it takes them away and sets what was set. It changes nothing else, and looks at IPv4 alone but for
// tables. What it is told to own it does not look at.
func (n *Node) Strangers(ctx context.Context, own Belongings, mend bool) (list []Drift, err error) {
	if mend {
		ctx = context.WithoutCancel(ctx) // what has begun is not left half-way for who asked for it and went
	}
	own.Settings = slices.Concat([]netns.Sysctl{noForwarding}, own.Settings)
	for _, look := range []func(context.Context, Belongings, bool) ([]Drift, error){n.strangeTables, n.strangeRouting, n.strangeWays, n.strangeQueues, n.strangeSettings} {
		found, err := look(ctx, own, mend)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", n.Name, err)
		}
		list = append(list, found...)
	}
	return list, nil
}

// legacyTables are those that programs of the elder kind have used in the namespace of the calling thread.
func legacyTables() ([]string, error) {
	b, err := os.ReadFile("/proc/thread-self/net/ip_tables_names")
	if errors.Is(err, os.ErrNotExist) { // a kernel without
		return nil, nil
	}
	return strings.Fields(string(b)), err
}

// usesLegacy tells whether the program iptables, of which the lab makes its rules, is one of the elder kind.
func usesLegacy(ctx context.Context) (bool, error) {
	said, err := exec.CommandContext(ctx, "iptables", "--version").Output()
	if err != nil {
		return false, fmt.Errorf("iptables --version: %w", err)
	}
	return !bytes.Contains(said, []byte("nf_tables")), nil
}

// strangeTables finds tables with rules, or a policy that drops, in which the lab has nothing.
func (n *Node) strangeTables(ctx context.Context, own Belongings, mend bool) (list []Drift, err error) {
	err = n.NS.Do(func() error {
		tables, err := nftTables()
		if err != nil {
			return err
		}
		elder, err := legacyTables()
		if err != nil {
			return err
		}
		mineIn := map[bool]bool{} // by whether it is the elder kind
		if len(own.Tables) > 0 && len(tables)+len(elder) > 0 {
			legacy, err := usesLegacy(ctx)
			if err != nil {
				return err
			}
			mineIn[legacy] = true
		}
		for _, t := range tables {
			if t.rules == 0 && !t.drops || mineIn[false] && t.family == unix.NFPROTO_IPV4 && slices.Contains(own.Tables, t.name) {
				continue
			}
			with := "1 rule"
			if t.rules != 1 {
				with = fmt.Sprintf("%d rules", t.rules)
			}
			found := []Drift{{"table", fmt.Sprintf("nft: table %s, with %s", t, with), extra}}
			if set, err := ruleset.ReadBy("iptables-nft", t.name); err == nil && t.family == unix.NFPROTO_IPV4 {
				found = strangeRules(set, "")
			}
			if mend {
				if err := t.remove(); err != nil {
					return err
				}
			}
			list = append(list, found...)
		}
		for _, t := range elder {
			if mineIn[true] && slices.Contains(own.Tables, t) {
				continue
			}
			set, err := ruleset.ReadBy("iptables-legacy", t)
			if errors.Is(err, exec.ErrNotFound) {
				continue // and nobody here can have used it
			}
			if err != nil {
				return err
			}
			found := strangeRules(set, "legacy ")
			if mend && len(found) > 0 {
				if err := emptyLegacy(ctx, t, set); err != nil {
					return err
				}
			}
			list = append(list, found...)
		}
		return nil
	})
	return list, err
}

// strangeRules tells all by which tables are not as they are in a new namespace.
func strangeRules(have ruleset.Set, kind string) (list []Drift) {
	for _, d := range ruleset.Diff(untouched(have), have) {
		if d.Is != ruleset.Missing { // a policy that is another is told once
			list = append(list, Drift{"rule", kind + d.Table + ": " + d.Line, string(d.Is)})
		}
	}
	return list
}

// untouched has the kernel's own chains of the same tables, as they are at first.
func untouched(have ruleset.Set) ruleset.Set {
	none := ruleset.Set{}
	for name, c := range have {
		if c.Policy != "" {
			none[name] = ruleset.Chain{Policy: "ACCEPT"}
		}
	}
	return none
}

// emptyLegacy makes a table do nothing, in the namespace of the calling thread.
func emptyLegacy(ctx context.Context, table string, have ruleset.Set) error {
	var rules strings.Builder
	fmt.Fprintf(&rules, "*%s\n", table)
	for name := range untouched(have) {
		fmt.Fprintf(&rules, ":%s ACCEPT [0:0]\n", name.Chain)
	}
	rules.WriteString("COMMIT\n")
	cmd := exec.CommandContext(ctx, "iptables-legacy-restore", "--wait", "10")
	cmd.Stdin = strings.NewReader(rules.String())
	if said, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("empty table %s: iptables-legacy-restore: %w: %s", table, err, bytes.TrimSpace(said))
	}
	return nil
}

// dump lists the kernel's objects of a kind as it tells of them: about is the size of what a message begins with.
func (n *Node) dump(kind, about int) (list []kernelObject, err error) {
	const tries = 10 // the kernel says of a dump that something was changed meanwhile
	var messages [][]byte
	err = n.NS.Do(func() (err error) {
		for range tries {
			request := nl.NewNetlinkRequest(kind, unix.NLM_F_DUMP)
			request.AddRawData(make([]byte, about))
			request.RawData[0] = unix.AF_INET
			if messages, err = request.Execute(unix.NETLINK_ROUTE, 0); !errors.Is(err, netlink.ErrDumpInterrupted) {
				break
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		if len(m) < about {
			continue
		}
		attributes, err := nl.ParseRouteAttr(m[about:])
		if err != nil {
			return nil, err
		}
		o := kernelObject{message: m, about: m[:about], attributes: map[int][]byte{}}
		for _, a := range attributes {
			o.attributes[int(a.Attr.Type&nl.NLA_TYPE_MASK)] = a.Value
		}
		list = append(list, o)
	}
	return list, nil
}

// kernelObject is one of a dump. As a request its message means the same object, however it was made.
type kernelObject struct {
	message    []byte // without its header
	about      []byte // what it begins with
	attributes map[int][]byte
}

func (o kernelObject) number(attribute int) int {
	if v := o.attributes[attribute]; len(v) == 4 {
		return int(binary.NativeEndian.Uint32(v))
	}
	return 0
}

// prefix is an address with its length; 0.0.0.0 if there is none.
func (o kernelObject) prefix(attribute int, bits byte) netip.Prefix {
	a, ok := netip.AddrFromSlice(o.attributes[attribute])
	if !ok {
		a = netip.IPv4Unspecified()
	}
	return netip.PrefixFrom(a, int(bits))
}

// remove takes the object away; one that has gone is no error.
func (n *Node) remove(kind uint16, body []byte) error {
	err := n.Request(removal(kind, body))
	if errors.Is(err, unix.ESRCH) || errors.Is(err, unix.ENOENT) {
		return nil
	}
	return err
}

// actions are what rules and routes do with a packet, but for what most do: look into a table, and send it on.
var (
	ruleActions = map[byte]string{2: "goto", 3: "nop", 6: "blackhole", 7: "unreachable", 8: "prohibit"}
	routeTypes  = map[byte]string{
		unix.RTN_LOCAL: "local ", unix.RTN_BROADCAST: "broadcast ", unix.RTN_ANYCAST: "anycast ", unix.RTN_MULTICAST: "multicast ",
		unix.RTN_BLACKHOLE: "blackhole ", unix.RTN_UNREACHABLE: "unreachable ", unix.RTN_PROHIBIT: "prohibit ", unix.RTN_THROW: "throw ",
	}
)

// toTable is what most rules do: FR_ACT_TO_TBL.
const toTable = 1

// addRule adds a rule of routing that has all packets looked up in a table below 256 (struct fib_rule_hdr).
func addRule(priority, table int) message {
	return newMessage(unix.RTM_NEWRULE, unix.NLM_F_CREATE|unix.NLM_F_EXCL).
		about(unix.AF_INET, 0, 0, 0, byte(table), 0, 0, toTable).aboutNumber(0).number(nl.FRA_PRIORITY, uint32(priority))
}

// removal asks for the end of what the kernel has told of, in the words in which it told.
func removal(kind uint16, told []byte) message { return append(newMessage(kind, 0), told...) }

// strangeRouting finds rules of routing other than the three that every namespace begins with, and those that are missing.
func (n *Node) strangeRouting(_ context.Context, _ Belongings, mend bool) (list []Drift, err error) {
	rules, err := n.dump(unix.RTM_GETRULE, unix.SizeofRtMsg)
	if errors.Is(err, unix.EOPNOTSUPP) { // a kernel without them, which has the three for good
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list rules of routing: %w", err)
	}
	const inverted = 2                                                                                   // FIB_RULE_INVERT
	lost := map[int]int{0: unix.RT_TABLE_LOCAL, 32766: unix.RT_TABLE_MAIN, 32767: unix.RT_TABLE_DEFAULT} // tables by priority
	for _, r := range rules {
		priority, table, action := r.number(nl.FRA_PRIORITY), r.number(nl.FRA_TABLE), r.about[7]
		plain := action == toTable && binary.NativeEndian.Uint32(r.about[8:])&inverted == 0 && r.about[3] == 0 // no TOS
		text := fmt.Sprintf("%d: from %s to %s", priority, r.prefix(nl.FRA_SRC, r.about[2]), r.prefix(nl.FRA_DST, r.about[1]))
		for attribute, value := range r.attributes {
			switch attribute {
			case nl.FRA_PRIORITY, nl.FRA_TABLE, nl.FRA_PROTOCOL:
			case nl.FRA_SUPPRESS_PREFIXLEN, nl.FRA_SUPPRESS_IFGROUP:
				plain = plain && bytes.Equal(value, []byte{0xff, 0xff, 0xff, 0xff})
			default:
				plain = false
			}
		}
		if want, ok := lost[priority]; ok && plain && table == want {
			delete(lost, priority)
			continue
		}
		if does := ruleActions[action]; does != "" {
			text += " " + does
		} else {
			text += fmt.Sprintf(" table %d", table)
		}
		list = append(list, Drift{"routing rule", text, extra})
		if mend {
			if err := n.remove(unix.RTM_DELRULE, r.message); err != nil {
				return nil, fmt.Errorf("remove the rule of routing %s: %w", text, err)
			}
		}
	}
	for _, priority := range slices.Sorted(maps.Keys(lost)) {
		list = append(list, Drift{"routing rule", fmt.Sprintf("%d: from 0.0.0.0/0 to 0.0.0.0/0 table %d", priority, lost[priority]), missing})
		if mend {
			if err := n.Request(addRule(priority, lost[priority])); err != nil {
				return nil, fmt.Errorf("rule of routing %d: %w", priority, err)
			}
		}
	}
	return list, nil
}

// Way is a route of any table of a namespace.
type Way struct {
	To       netip.Prefix
	Link     int // its index; 0: none, as of a blackhole
	Table    int
	Type     byte // RTN_UNICAST …
	Priority int  // what `ip` calls the metric
}

// strangeWays finds routes that neither the kernel has made nor the lab.
func (n *Node) strangeWays(_ context.Context, own Belongings, mend bool) (list []Drift, err error) {
	routes, err := n.dump(unix.RTM_GETROUTE, unix.SizeofRtMsg)
	if err != nil {
		return nil, fmt.Errorf("list routes: %w", err)
	}
	for _, r := range routes {
		w := Way{
			To: r.prefix(unix.RTA_DST, r.about[1]), Link: r.number(unix.RTA_OIF), Table: r.number(unix.RTA_TABLE),
			Type: r.about[7], Priority: r.number(unix.RTA_PRIORITY),
		}
		const cloned = unix.RTM_F_CLONED
		if r.about[5] == unix.RTPROT_KERNEL || binary.NativeEndian.Uint32(r.about[8:])&cloned != 0 || own.Owns(w) {
			continue
		}
		text := routeTypes[w.Type] + w.To.String()
		if via, ok := netip.AddrFromSlice(r.attributes[unix.RTA_GATEWAY]); ok {
			text += " via " + via.String()
		}
		if w.Link != 0 {
			text += " over " + n.linkName(w.Link)
		}
		if w.Table != unix.RT_TABLE_MAIN {
			text += fmt.Sprintf(", table %d", w.Table)
		}
		list = append(list, Drift{"route", text, extra})
		if mend {
			if err := n.remove(unix.RTM_DELROUTE, r.message); err != nil {
				return nil, fmt.Errorf("remove the route %s: %w", text, err)
			}
		}
	}
	return list, nil
}

// linkName is what a link is called, or its number.
func (n *Node) linkName(index int) string {
	if l, err := n.Link.LinkByIndex(index); err == nil {
		return l.Attrs().Name
	}
	return fmt.Sprintf("link %d", index)
}

// strangeQueues finds queueing disciplines: the lab's links have none but the kernel's own. What hangs below one goes with it.
func (n *Node) strangeQueues(_ context.Context, _ Belongings, mend bool) (list []Drift, err error) {
	const sizeofTcmsg = 20
	queues, err := n.dump(unix.RTM_GETQDISC, sizeofTcmsg)
	if errors.Is(err, unix.EOPNOTSUPP) { // a kernel without them
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("list queueing disciplines: %w", err)
	}
	const root, ingress, kind = 0xffffffff, 0xfffffff1, 1 // TC_H_ROOT, TC_H_INGRESS, TCA_KIND
	for _, q := range queues {
		link, handle := int(binary.NativeEndian.Uint32(q.about[4:])), binary.NativeEndian.Uint32(q.about[8:])
		parent := binary.NativeEndian.Uint32(q.about[12:])
		if handle == 0 || parent != root && parent != ingress {
			continue
		}
		text := fmt.Sprintf("%s of %s", bytes.TrimRight(q.attributes[kind], "\x00"), n.linkName(link))
		list = append(list, Drift{"queueing discipline", text, extra})
		if mend {
			if err := n.remove(unix.RTM_DELQDISC, q.about); err != nil {
				return nil, fmt.Errorf("remove the queueing discipline %s: %w", text, err)
			}
		}
	}
	return list, nil
}

// linkSettings are the settings below net/ipv4/conf that a link has in its own right, with their place in what the kernel tells of
// a link (include/uapi/linux/ip.h, IPV4_DEVCONF_…).
var linkSettings = map[string]int{"forwarding": 1, "proxy_arp": 3, "accept_redirects": 4, "send_redirects": 6, "rp_filter": 8}

// strangeSettings finds settings of the namespace that are not as they were set, and of its links, which inherited them.
func (n *Node) strangeSettings(_ context.Context, own Belongings, mend bool) (list []Drift, err error) {
	want := map[string]string{} // the last counts
	for _, s := range own.Settings {
		want[s.Key] = s.Value
	}
	links, err := n.dump(unix.RTM_GETLINK, unix.SizeofIfInfomsg)
	if err != nil {
		return nil, fmt.Errorf("list links: %w", err)
	}
	var set []netns.Sysctl
	err = n.NS.Do(func() error {
		for _, key := range slices.Sorted(maps.Keys(want)) {
			b, err := os.ReadFile("/proc/sys/" + key)
			if err != nil {
				return fmt.Errorf("sysctl: %w", err)
			}
			if is := strings.TrimSpace(string(b)); is != want[key] {
				list = append(list, Drift{"setting", fmt.Sprintf("%s is %s, want %s", key, is, want[key]), changed})
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	if len(list) > 0 {
		set = append(set, own.Settings...) // in order: some change others
	}
	for _, l := range links {
		index := int(binary.NativeEndian.Uint32(l.about[4:]))
		if index == loopback { // there before anything was set
			continue
		}
		name := strings.TrimRight(string(l.attributes[unix.IFLA_IFNAME]), "\x00")
		have := linkConf(l.attributes[unix.IFLA_AF_SPEC])
		for _, key := range slices.Sorted(maps.Keys(linkSettings)) {
			value, ok := want["net/ipv4/conf/default/"+key]
			if key == "forwarding" {
				value, ok = want["net/ipv4/ip_forward"], true
			}
			at := 4 * (linkSettings[key] - 1)
			if !ok || len(have) < at+4 {
				continue
			}
			if is := fmt.Sprint(binary.NativeEndian.Uint32(have[at:])); is != value {
				one := netns.Sysctl{Key: "net/ipv4/conf/" + name + "/" + key, Value: value}
				list = append(list, Drift{"setting", fmt.Sprintf("%s is %s, want %s", one.Key, is, value), changed})
				set = append(set, one)
			}
		}
	}
	if mend && len(set) > 0 {
		err = n.NS.Set(set...)
	}
	return list, err
}

// linkConf is the array of a link's settings of IPv4, within what the kernel tells by family.
func linkConf(byFamily []byte) []byte {
	const conf = 1 // IFLA_INET_CONF
	for _, nested := range []int{unix.AF_INET, conf} {
		attributes, err := nl.ParseRouteAttr(byFamily)
		byFamily = nil
		for _, a := range attributes {
			if err == nil && int(a.Attr.Type&nl.NLA_TYPE_MASK) == nested {
				byFamily = a.Value
			}
		}
	}
	return byFamily
}
