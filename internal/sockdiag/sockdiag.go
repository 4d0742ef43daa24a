// Package sockdiag asks the kernel whose socket the other end of a local TCP connection is (sock_diag(7)).
package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// Open opens a socket to ask through. It knows the sockets of the network namespace, and the user ids of the user namespace,
// in which it was opened, whoever holds it.
func Open() (*os.File, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_SOCK_DIAG)
	if err != nil {
		return nil, fmt.Errorf("socket to NETLINK_SOCK_DIAG: %w", err)
	}
	return os.NewFile(uintptr(fd), "sock_diag"), nil
}

// Owners asks. All methods are safe for concurrent use.
type Owners struct {
	mu  sync.Mutex // held while it asks: one question at a time
	fd  int
	seq uint32
}

// New asks through a socket that Open has opened, and takes it over.
func New(f *os.File) (*Owners, error) {
	defer f.Close()
	fd, err := unix.FcntlInt(f.Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return nil, os.NewSyscallError("fcntl", err)
	}
	// The kernel answers within the call that asks; the limit is for what would be a fault.
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &Owners{fd: fd}, nil
}

// Close ends it.
func (o *Owners) Close() error { return unix.Close(o.fd) }

// ErrNoOwner is met for a connection that no process has open at the other end, or none of this machine.
var ErrNoOwner = errors.New("nobody on this machine has that connection open")

// What linux/inet_diag.h and linux/sock_diag.h have.
const (
	byFamily   = 20 // SOCK_DIAG_BY_FAMILY
	requestLen = unix.SizeofNlMsghdr + 56
	answerLen  = unix.SizeofNlMsghdr + 72

	established, finWait1, finWait2, closeWait = 1, 4, 5, 8 // include/net/tcp_states.h
)

// Peer is the user whose socket is the other end of an accepted connection.
//
// What the kernel knows is addresses and ports. A client can send a request and be gone, and another user's next connection
// have its port, before anybody asks: so the connection must still be there when the answer is. While it is, its addresses
// and ports are no other's.
func (o *Owners) Peer(c *net.TCPConn) (uid uint32, err error) {
	local, ok := c.RemoteAddr().(*net.TCPAddr)
	remote, also := c.LocalAddr().(*net.TCPAddr)
	if !ok || !also {
		return 0, ErrNoOwner
	}
	if uid, err = o.find(local.AddrPort(), remote.AddrPort()); err != nil {
		return 0, err
	}
	alive, err := isAlive(c)
	if err == nil && !alive {
		err = ErrNoOwner
	}
	return uid, err
}

func isAlive(c *net.TCPConn) (alive bool, err error) {
	raw, err := c.SyscallConn()
	if err != nil {
		return false, err
	}
	controlErr := raw.Control(func(fd uintptr) {
		var info *unix.TCPInfo
		if info, err = unix.GetsockoptTCPInfo(int(fd), unix.IPPROTO_TCP, unix.TCP_INFO); err == nil {
			alive = info.State == established || info.State == closeWait
		}
	})
	return alive, errors.Join(controlErr, os.NewSyscallError("getsockopt", err))
}

// find is the user whose socket has a local and a remote address.
//
// The kernel says root of a socket that its process has closed and of one that was never any process's. Both have no inode,
// which is read after the user id: they are nobody's.
func (o *Owners) find(local, remote netip.AddrPort) (uid uint32, err error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	o.seq++
	request := encode(local, remote, o.seq)
	if err := unix.Sendto(o.fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	b := make([]byte, 4096)
	for {
		n, _, err := unix.Recvfrom(o.fd, b, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return 0, os.NewSyscallError("recvfrom", err)
		}
		if n < unix.SizeofNlMsghdr || binary.NativeEndian.Uint32(b[8:]) != o.seq {
			continue // of a question before, whose answer did not come in time
		}
		return decode(b[:n], local, remote)
	}
}

func encode(local, remote netip.AddrPort, seq uint32) []byte {
	b := make([]byte, requestLen)
	binary.NativeEndian.PutUint32(b, requestLen)
	binary.NativeEndian.PutUint16(b[4:], byFamily)
	binary.NativeEndian.PutUint16(b[6:], unix.NLM_F_REQUEST)
	binary.NativeEndian.PutUint32(b[8:], seq)
	r := b[unix.SizeofNlMsghdr:]
	r[0], r[1] = family(local.Addr()), unix.IPPROTO_TCP
	binary.NativeEndian.PutUint32(r[4:], 0xffffffff) // all states
	id := r[8:]
	binary.BigEndian.PutUint16(id, local.Port())
	binary.BigEndian.PutUint16(id[2:], remote.Port())
	copy(id[4:20], local.Addr().Unmap().AsSlice())
	copy(id[20:36], remote.Addr().Unmap().AsSlice())
	binary.NativeEndian.PutUint64(id[40:], ^uint64(0)) // any cookie
	return b
}

func family(a netip.Addr) byte {
	if a.Unmap().Is4() {
		return unix.AF_INET
	}
	return unix.AF_INET6
}

func decode(b []byte, local, remote netip.AddrPort) (uid uint32, err error) {
	switch kind := binary.NativeEndian.Uint16(b[4:]); {
	case kind == unix.NLMSG_ERROR && len(b) >= unix.SizeofNlMsghdr+4:
		number := unix.Errno(-int32(binary.NativeEndian.Uint32(b[unix.SizeofNlMsghdr:])))
		if number == unix.ENOENT {
			return 0, ErrNoOwner
		}
		return 0, os.NewSyscallError("sock_diag", number)
	case kind != byFamily || len(b) < answerLen:
		return 0, fmt.Errorf("sock_diag: an answer of type %d with %d bytes", kind, len(b))
	}
	m := b[unix.SizeofNlMsghdr:]
	state, id := m[1], m[4:]
	open := state == established || state == finWait1 || state == finWait2 || state == closeWait
	same := binary.BigEndian.Uint16(id) == local.Port() && binary.BigEndian.Uint16(id[2:]) == remote.Port()
	inode := binary.NativeEndian.Uint32(m[68:])
	if !open || !same || inode == 0 {
		return 0, ErrNoOwner
	}
	return binary.NativeEndian.Uint32(m[64:]), nil
}
