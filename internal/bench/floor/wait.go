package floor

import (
	"encoding/binary"
	"errors"
	"time"

	"golang.org/x/sys/unix"
)

// until sends a request, and then another, until the answer is what is waited for.
func until(began time.Time, s socket, first, again []byte, is func(answer) bool) error {
	for message := first; ; message = again {
		a, err := s.send(message)
		switch {
		case err != nil && !errors.Is(err, unix.ENOENT):
			return err
		case err == nil && is(a):
			return nil
		case time.Since(began) > within:
			return errors.Join(errAnswer, err)
		}
	}
}

// isUp tells of a link whether it can send (RFC 2863, operational status).
func isUp(a answer) bool {
	const about, up = unix.SizeofIfInfomsg, 6
	if a.kind != unix.RTM_NEWLINK || len(a.body) < about {
		return false
	}
	for b := a.body[about:]; len(b) >= unix.SizeofRtAttr; {
		size := int(binary.NativeEndian.Uint16(b))
		if size < unix.SizeofRtAttr || size > len(b) {
			return false
		}
		if binary.NativeEndian.Uint16(b[2:]) == unix.IFLA_OPERSTATE && size > unix.SizeofRtAttr {
			return b[unix.SizeofRtAttr] == up
		}
		b = b[min(len(b), (size+unix.RTA_ALIGNTO-1)&^(unix.RTA_ALIGNTO-1)):]
	}
	return false
}
