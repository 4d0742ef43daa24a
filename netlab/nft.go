package netlab

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/vishvananda/netlink"
	"github.com/vishvananda/netlink/nl"
	"golang.org/x/sys/unix"
)

// nftTable is a table of nf_tables with what can do something to a packet: iptables-nft, nft and all others keep theirs there.
type nftTable struct {
	family byte
	name   string
	rules  int
	drops  bool // by the policy of a chain
}

// String names it as nft does.
func (t nftTable) String() string {
	families := map[byte]string{unix.NFPROTO_INET: "inet", unix.NFPROTO_IPV4: "ip", unix.NFPROTO_ARP: "arp", unix.NFPROTO_NETDEV: "netdev", unix.NFPROTO_BRIDGE: "bridge", unix.NFPROTO_IPV6: "ip6"}
	return cmp.Or(families[t.family], fmt.Sprint(t.family)) + " " + t.name
}

// nftTables lists those of the namespace that the calling thread is in. A kernel without nf_tables has none.
func nftTables() (list []nftTable, err error) {
	tables, err := nftDump(unix.NFT_MSG_GETTABLE)
	if errors.Is(err, unix.EINVAL) || errors.Is(err, unix.EOPNOTSUPP) || errors.Is(err, unix.EPROTONOSUPPORT) {
		return nil, nil
	}
	if err != nil || len(tables) == 0 {
		return nil, err
	}
	for _, o := range tables {
		list = append(list, nftTable{family: o.family, name: o.text(unix.NFTA_TABLE_NAME)})
	}
	chains, err := nftDump(unix.NFT_MSG_GETCHAIN)
	if err != nil {
		return nil, err
	}
	rules, err := nftDump(unix.NFT_MSG_GETRULE)
	if err != nil {
		return nil, err
	}
	of := func(o nftObject, attribute int) *nftTable {
		at := slices.IndexFunc(list, func(t nftTable) bool { return t.family == o.family && t.name == o.text(attribute) })
		if at < 0 { // made since
			return new(nftTable)
		}
		return &list[at]
	}
	for _, o := range chains {
		if p := o.attributes[unix.NFTA_CHAIN_POLICY]; len(p) == 4 && binary.BigEndian.Uint32(p) == 0 { // NF_DROP
			of(o, unix.NFTA_CHAIN_TABLE).drops = true
		}
	}
	for _, o := range rules {
		of(o, unix.NFTA_RULE_TABLE).rules++
	}
	return list, nil
}

// nftObject is one of a dump.
type nftObject struct {
	family     byte
	attributes map[int][]byte
}

func (o nftObject) text(attribute int) string {
	return strings.TrimSuffix(string(o.attributes[attribute]), "\x00")
}

func nftDump(kind int) (list []nftObject, err error) {
	const tries = 10 // the kernel says of a dump that something was changed meanwhile
	var messages [][]byte
	for range tries {
		request := nl.NewNetlinkRequest(unix.NFNL_SUBSYS_NFTABLES<<8|kind, unix.NLM_F_DUMP)
		request.AddData(&nl.Nfgenmsg{NfgenFamily: unix.NFPROTO_UNSPEC, Version: unix.NFNETLINK_V0})
		if messages, err = request.Execute(unix.NETLINK_NETFILTER, 0); !errors.Is(err, netlink.ErrDumpInterrupted) {
			break
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list nf_tables: %w", err)
	}
	for _, m := range messages {
		if len(m) < nl.SizeofNfgenmsg {
			continue
		}
		attributes, err := nl.ParseRouteAttr(m[nl.SizeofNfgenmsg:])
		if err != nil {
			return nil, fmt.Errorf("list nf_tables: %w", err)
		}
		o := nftObject{family: m[0], attributes: map[int][]byte{}}
		for _, a := range attributes {
			o.attributes[int(a.Attr.Type&nl.NLA_TYPE_MASK)] = a.Value
		}
		list = append(list, o)
	}
	return list, nil
}

// nfMessage begins a message about a family and, of a batch's ends, a subsystem (struct nfgenmsg).
func nfMessage(kind, flags uint16, family byte, about uint16) message {
	return binary.BigEndian.AppendUint16(newMessage(kind, flags).about(family, unix.NFNETLINK_V0), about)
}

// remove deletes a table with all that is in it, in the namespace that the calling thread is in. One that has gone is no error.
func (t nftTable) remove() error {
	const subsystem = unix.NFNL_SUBSYS_NFTABLES
	parts := []message{
		nfMessage(unix.NFNL_MSG_BATCH_BEGIN, 0, 0, subsystem),
		nfMessage(subsystem<<8|unix.NFT_MSG_DELTABLE, unix.NLM_F_ACK, t.family, 0).text(unix.NFTA_TABLE_NAME, t.name),
		nfMessage(unix.NFNL_MSG_BATCH_END, 0, 0, subsystem),
	}
	var all []byte
	for i, p := range parts {
		binary.NativeEndian.PutUint32(p, uint32(len(p)))
		binary.NativeEndian.PutUint32(p[8:], uint32(i+1)) // its number
		all = append(all, p...)
	}
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_NETFILTER)
	if err == nil {
		defer unix.Close(fd)
		err = unix.Sendto(fd, all, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	}
	answer := make([]byte, 4096)
	n := 0
	if err == nil {
		n, _, err = unix.Recvfrom(fd, answer, 0) // the kernel has it ready
	}
	const code = unix.SizeofNlMsghdr + 4
	switch {
	case err != nil:
	case n < code || binary.NativeEndian.Uint16(answer[4:]) != unix.NLMSG_ERROR:
		err = fmt.Errorf("an answer of %d bytes that is none", n)
	default:
		if number := int32(binary.NativeEndian.Uint32(answer[unix.SizeofNlMsghdr:])); number != 0 && unix.Errno(-number) != unix.ENOENT {
			err = unix.Errno(-number)
		}
	}
	if err != nil {
		return fmt.Errorf("delete table %s: %w", t, err)
	}
	return nil
}
