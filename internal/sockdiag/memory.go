package sockdiag

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"

	"golang.org/x/sys/unix"
)

// Memory is what the TCP and UDP sockets of the calling thread's network namespace hold, in bytes: what they have received,
// what they have to send, and what they have in reserve. It is found by asking for each. What a process has not read yet of
// a connection that is reset is not seen.
func Memory() (bytes int64, err error) {
	file, err := Open()
	if err != nil {
		return 0, err
	}
	defer file.Close()
	fd := int(file.Fd())
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &unix.Timeval{Sec: 1}); err != nil {
		return 0, os.NewSyscallError("setsockopt", err)
	}
	for _, protocol := range []byte{unix.IPPROTO_TCP, unix.IPPROTO_UDP} {
		for _, family := range []byte{unix.AF_INET, unix.AF_INET6} {
			n, err := memoryOf(fd, family, protocol)
			if err != nil {
				return 0, fmt.Errorf("sock_diag: family %d, protocol %d: %w", family, protocol, err)
			}
			bytes += n
		}
	}
	return bytes, nil
}

const skMemInfo = 7 // INET_DIAG_SKMEMINFO

// What of sock_diag(7)'s "meminfo" is held now.
const (
	memReceived = 0 // SK_MEMINFO_RMEM_ALLOC
	memReserved = 4 // SK_MEMINFO_FWD_ALLOC
	memQueued   = 5 // SK_MEMINFO_WMEM_QUEUED
	memBacklog  = 7 // SK_MEMINFO_BACKLOG
)

func memoryOf(fd int, family, protocol byte) (bytes int64, err error) {
	request := make([]byte, requestLen)
	binary.NativeEndian.PutUint32(request, requestLen)
	binary.NativeEndian.PutUint16(request[4:], byFamily)
	binary.NativeEndian.PutUint16(request[6:], unix.NLM_F_REQUEST|unix.NLM_F_DUMP)
	r := request[unix.SizeofNlMsghdr:]
	r[0], r[1], r[2] = family, protocol, 1<<(skMemInfo-1)
	binary.NativeEndian.PutUint32(r[4:], 0xffffffff) // all states
	if err := unix.Sendto(fd, request, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return 0, os.NewSyscallError("sendto", err)
	}
	b := make([]byte, 64<<10)
	for {
		n, _, err := unix.Recvfrom(fd, b, 0)
		if errors.Is(err, unix.EINTR) {
			continue
		}
		if err != nil {
			return 0, os.NewSyscallError("recvfrom", err)
		}
		sum, end, err := sumMemory(b[:n])
		bytes += sum
		if end || err != nil {
			return bytes, err
		}
	}
}

var errDamaged = errors.New("an answer that is none")

// sumMemory adds up a part of the answer, which is the last if end.
func sumMemory(b []byte) (bytes int64, end bool, err error) {
	for len(b) > 0 {
		if len(b) < unix.SizeofNlMsghdr {
			return 0, true, errDamaged
		}
		size := int(binary.NativeEndian.Uint32(b))
		if size < unix.SizeofNlMsghdr || size > len(b) {
			return 0, true, errDamaged
		}
		m := b[unix.SizeofNlMsghdr:size]
		switch binary.NativeEndian.Uint16(b[4:]) {
		case unix.NLMSG_DONE:
			return bytes, true, nil
		case unix.NLMSG_ERROR:
			if len(m) < 4 {
				return 0, true, errDamaged
			}
			number := unix.Errno(-int32(binary.NativeEndian.Uint32(m)))
			if number == unix.ENOENT { // this kernel has no such protocol to tell of
				return 0, true, nil
			}
			return 0, true, number
		}
		n, err := memoryIn(m)
		if err != nil {
			return 0, true, err
		}
		bytes += n
		b = b[min(align(size), len(b)):]
	}
	return bytes, false, nil
}

// memoryIn reads struct inet_diag_msg with its attributes.
func memoryIn(m []byte) (bytes int64, err error) {
	const fixed = answerLen - unix.SizeofNlMsghdr
	if len(m) < fixed {
		return 0, errDamaged
	}
	for m = m[fixed:]; len(m) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(m))
		if size < unix.SizeofRtAttr || size > len(m) {
			return 0, errDamaged
		}
		if value := m[unix.SizeofRtAttr:size]; binary.NativeEndian.Uint16(m[2:]) == skMemInfo {
			for _, which := range []int{memReceived, memReserved, memQueued, memBacklog} {
				if len(value) >= 4*which+4 {
					bytes += int64(binary.NativeEndian.Uint32(value[4*which:]))
				}
			}
		}
		m = m[min(align(size), len(m)):]
	}
	return bytes, nil
}

func align(size int) int { return (size + unix.NLMSG_ALIGNTO - 1) &^ (unix.NLMSG_ALIGNTO - 1) }
