package netlab

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"sync"

	"golang.org/x/sys/unix"
)

// requests is a node's route-netlink socket for what the library's handle is too slow or too narrow for: requests on a
// timed path, several at once, attributes that it does not know.
type requests struct {
	mu sync.Mutex // guards the order of requests and answers, and all below
	fd int        // does not block; -1 when closed
	in [256]byte  // an answer is a header and an error code
}

// dialRequests opens the socket in the namespace of the calling thread.
func dialRequests() (*requests, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC|unix.SOCK_NONBLOCK, unix.NETLINK_ROUTE)
	if err != nil {
		return nil, os.NewSyscallError("socket", err)
	}
	if err := unix.SetsockoptInt(fd, unix.SOL_NETLINK, unix.NETLINK_CAP_ACK, 1); err != nil { // answers without the question
		unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &requests{fd: fd}, nil
}

func (r *requests) close() {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd >= 0 {
		unix.Close(r.fd)
		r.fd = -1
	}
}

// Request has the kernel do requests in this namespace, in order, with one system call for all; each is done even if one
// before it failed. A request is a whole message, best without the flag NLM_F_ACK: what went well needs no answer, and to
// make and fetch one costs a fifth of a bind. The error is that of the first that failed. It may be called from any
// goroutine.
func (n *Node) Request(list ...[]byte) error {
	out := list[0]
	for _, q := range list[1:] {
		out = append(out, q...)
	}
	r := n.requests
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return fmt.Errorf("netlink: %s is closed", n.Name)
	}
	if _, err := again(func() (int, error) { return unix.Write(r.fd, out) }); err != nil {
		return os.NewSyscallError("netlink write", err)
	}
	var first error
	for { // the kernel has answered before the write returned
		size, err := again(func() (int, error) { return unix.Read(r.fd, r.in[:]) })
		if err == unix.EAGAIN { //nolint:errorlint // an Errno as it is
			return first
		}
		if err != nil {
			return errors.Join(first, os.NewSyscallError("netlink read", err))
		}
		if size < unix.SizeofNlMsghdr+4 || binary.NativeEndian.Uint16(r.in[4:]) != unix.NLMSG_ERROR {
			return errors.Join(first, fmt.Errorf("netlink: an answer of %d bytes that is none", size))
		}
		if code := int32(binary.NativeEndian.Uint32(r.in[unix.SizeofNlMsghdr:])); code != 0 && first == nil {
			first = unix.Errno(-code)
		}
	}
}

// ask sends a request and returns its one answer, as it comes.
func (r *requests) ask(q []byte) ([]byte, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if _, err := again(func() (int, error) { return unix.Write(r.fd, q) }); err != nil {
		return nil, os.NewSyscallError("netlink write", err)
	}
	size, err := again(func() (int, error) { return unix.Read(r.fd, r.in[:]) })
	if err != nil {
		return nil, os.NewSyscallError("netlink read", err)
	}
	return bytes.Clone(r.in[:size]), nil
}

func again(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR { //nolint:errorlint // an Errno as it is
			return n, err
		}
	}
}
