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
	mu  sync.Mutex // guards the order of requests and answers, and all below
	fd  int        // does not block; -1 when closed
	out []byte     // a buffer
}

// answerSize is room for a link's description without its statistics; other answers are smaller.
const answerSize = 2 << 10

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
// make and fetch one costs a fifth of a bind. The error is that of the first that failed; [Blame] says which that was. It
// may be called from any goroutine.
func (n *Node) Request(list ...[]byte) error {
	_, err := n.ask(list...)
	return err
}

// ask is Request for a list of which one has an answer: the last answer, as it comes.
func (n *Node) ask(list ...[]byte) (answer []byte, err error) {
	r := n.requests
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.fd < 0 {
		return nil, fmt.Errorf("netlink: %s is closed", n.Name)
	}
	r.out = r.out[:0]
	for i, m := range list {
		at := len(r.out)
		r.out = append(r.out, m...)
		binary.NativeEndian.PutUint32(r.out[at:], uint32(len(m)))
		binary.NativeEndian.PutUint32(r.out[at+8:], uint32(i)) // a failure is told with the sequence number
	}
	if _, err := again(func() (int, error) { return unix.Write(r.fd, r.out) }); err != nil {
		return nil, os.NewSyscallError("netlink write", err)
	}
	var in [answerSize]byte
	for { // the kernel has answered before the write returned
		size, e := again(func() (int, error) { return unix.Read(r.fd, in[:]) })
		if e == unix.EAGAIN { //nolint:errorlint // an Errno as it is
			return answer, err
		}
		if e != nil {
			return nil, errors.Join(err, os.NewSyscallError("netlink read", e))
		}
		if size < unix.SizeofNlMsghdr+4 {
			return nil, errors.Join(err, fmt.Errorf("netlink: an answer of %d bytes that is none", size))
		}
		if binary.NativeEndian.Uint16(in[4:]) != unix.NLMSG_ERROR {
			answer = bytes.Clone(in[:size])
			continue
		}
		if code := int32(binary.NativeEndian.Uint32(in[unix.SizeofNlMsghdr:])); code != 0 && err == nil {
			err = &refusal{int(binary.NativeEndian.Uint32(in[8:])), unix.Errno(-code)}
		}
	}
}

// refusal is the kernel's answer to a request that failed, one of those sent together.
type refusal struct {
	which int
	errno unix.Errno
}

func (r *refusal) Error() string { return r.errno.Error() }
func (r *refusal) Unwrap() error { return r.errno }

// Blame adds to the error of a [Node.Request] what the request that failed was about, of one word for each of them.
func Blame(err error, about ...string) error {
	if r := (*refusal)(nil); errors.As(err, &r) && r.which < len(about) {
		return fmt.Errorf("%s: %w", about[r.which], err)
	}
	return err
}

func again(call func() (int, error)) (n int, err error) {
	for {
		if n, err = call(); err != unix.EINTR { //nolint:errorlint // an Errno as it is
			return n, err
		}
	}
}
